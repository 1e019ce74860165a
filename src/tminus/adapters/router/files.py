"""Files that are replaced durably or not at all, and UNIX sockets of any path length."""

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from tminus.ports.fault import Unavailable


def write_durably(path: Path, content: str) -> None:
    """Replaces `path`: temporary name, fsync, rename, fsync of the directory.

    Raises:
        Unavailable: `disk-full` or `disk-failed`; nothing changed.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        with opened(path.parent) as directory:
            os.fsync(directory)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        code = "disk-full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "disk-failed"
        raise Unavailable(code, f"{path}: {error.strerror}") from error


def dial(path: Path, limit_s: float) -> socket.socket:
    """A connection to the UNIX socket at `path`.

    Raises:
        OSError: nobody listens there, or not within `limit_s`.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(limit_s)
        with opened(path.parent) as directory:
            # A socket address holds 107 bytes; through the open directory every path fits.
            connection.connect(f"/proc/self/fd/{directory}/{path.name}")
    except BaseException:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def opened(directory: Path) -> Iterator[int]:
    """A descriptor of a directory."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
