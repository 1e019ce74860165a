"""Files written so that a crash leaves the old content or the new, and UNIX sockets of any path length."""

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def write_atomically(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replaces `path` durably: temporary name, fsync, rename, fsync of the directory.

    Raises:
        OSError: nothing changed.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    with _opened(path.parent) as directory:
        os.fsync(directory)


def dial(path: Path, limit_s: float) -> socket.socket:
    """A connection to the UNIX socket at `path`.

    Raises:
        OSError: nobody listens there, or not within `limit_s`.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(limit_s)
        with _opened(path.parent) as directory:
            connection.connect(_short(directory, path))
    except BaseException:
        connection.close()
        raise
    return connection


def listen_at(path: Path) -> socket.socket:
    """A UNIX socket that listens at `path`, for this user alone; what was there before is replaced."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        with _opened(path.parent) as directory:
            listener.bind(_short(directory, path))
        path.chmod(0o600)
        listener.listen(64)
        listener.settimeout(0)
    except BaseException:
        listener.close()
        raise
    return listener


def _short(directory: int, path: Path) -> str:
    # A socket address holds 107 bytes; through the open directory every path fits.
    return f"/proc/self/fd/{directory}/{path.name}"


@contextmanager
def _opened(directory: Path) -> Iterator[int]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
