"""The names of Traefik's files, and the one that stands for its memory."""

import contextlib
import os
from pathlib import Path

from tminus.ports.fault import Unavailable

STATIC = "traefik.yaml"
LIVE = "live.yaml"  # what Traefik follows; a start overwrites it with what is committed
COMMITTED = "committed.yaml"
HOSTING = "hosting.json"
ACCESS = "access.json"  # where the running Traefik tells about itself, and the key to it
LOG = "traefik.log"
_PAGE = 65_536


def padded(text: str) -> bytes:
    """The content of a file that a later one of about the same length fits into."""
    content = text.encode() + b"\n"
    return content + b" " * (-len(content) % _PAGE)


def write_live(path: Path, text: str) -> None:
    """Replaces the live file, also on a full disk: then the space that it already has is overwritten.

    Not synced: it stands for the router's memory, and a start overwrites it.

    Raises:
        Unavailable: `disk-full` or `disk-failed`.
    """
    content = padded(text)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        _overwrite(path, content, error)


def _overwrite(path: Path, content: bytes, reason: OSError) -> None:
    # A half-read file is no configuration: Traefik keeps the one before, and looks again at the next event.
    try:
        with path.open("r+b") as file:
            room = file.seek(0, os.SEEK_END)
            if room < len(content):
                raise Unavailable("disk-full", f"{path}: {reason.strerror}") from reason
            os.pwrite(file.fileno(), content + b" " * (room - len(content)), 0)
    except OSError as error:
        raise Unavailable("disk-failed", f"{path}: {error.strerror}") from error
