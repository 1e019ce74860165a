"""A backup on disk: one dump and, beside it, what its snapshot held. Must not ask a database."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from tminus.domain.canonical import Json, canonical_bytes
from tminus.domain.codec import DecodeError, from_json, to_json
from tminus.ports.database import TableCount
from tminus.ports.fault import Refused, Unavailable

FORMAT = 1
_CHUNK_BYTES = 1024 * 1024
_BESIDE = ("dump.json", "dump.test", "base.json", "base.test")
_LOOK_S = 0.1  # how often another backup is looked at
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What stands beside a dump, in `NAME.dump.json`.

    Attributes:
        format: of this file.
        digest: of the dump.
        size_bytes: of the dump.
        taken_ms: when the snapshot was taken, milliseconds since the epoch.
        server_major: major version of the server.
        tables: rows and checksums, counted in the snapshot itself.
    """

    format: int
    digest: str
    size_bytes: int
    taken_ms: int
    server_major: int
    tables: tuple[TableCount, ...]


class DumpFile:
    """A dump that is being written: under another name until it is complete and on disk."""

    def __init__(self, directory: Path, taken_ms: int) -> None:
        """Opens it; its name tells the UTC time of the snapshot.

        Raises:
            OSError: it cannot be made.
        """
        seconds, milliseconds = divmod(taken_ms, 1000)
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(seconds))
        self.path = directory / f"tminus-{stamp}.{milliseconds:03d}Z.dump"
        self._temporary = directory / f".{self.path.name}.tmp"
        self._file: IO[bytes] = _open_private(self._temporary)
        self._digest = hashlib.sha256()
        self._size_bytes = 0

    def write(self, content: bytes) -> None:
        """Appends.

        Raises:
            OSError: it is not written.
        """
        self._file.write(content)
        self._digest.update(content)
        self._size_bytes += len(content)

    def finish(self, taken_ms: int, server_major: int, tables: Sequence[TableCount]) -> Sidecar:
        """Gives both files their names; the dump's last, so that one with that name is always complete.

        Raises:
            OSError: nothing has got its name.
        """
        digest = f"sha256:{self._digest.hexdigest()}"
        sidecar = Sidecar(FORMAT, digest, self._size_bytes, taken_ms, server_major, tuple(tables))
        self._file.flush()
        os.fsync(self._file.fileno())
        beside = sidecar_path(self.path)
        write_private(beside, canonical_bytes(to_json(sidecar)))
        self._temporary.replace(self.path)
        _sync(self.path.parent)
        return sidecar

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # of what could not be written; it is removed in any case
            self._file.close()
        if not self.path.exists():
            remove_halves(self.path.parent)


def sidecar_path(dump: Path) -> Path:
    """Where a dump's counts stand."""
    return dump.with_name(f"{dump.name}.json")


def test_path(dump: Path) -> Path:
    """Where the answer of the last restore test of a dump stands."""
    return dump.with_name(f"{dump.name}.test")


def read_sidecar(dump: Path) -> Sidecar:
    """What the snapshot held.

    Raises:
        Refused: `backup-unreadable`.
    """
    try:
        body: Json = json.loads(sidecar_path(dump).read_bytes())
        sidecar = from_json(Sidecar, body)
    except FileNotFoundError as error:
        raise Refused("backup-unreadable", f"{sidecar_path(dump)} is not there") from error
    except (OSError, ValueError, DecodeError) as error:
        raise Refused("backup-unreadable", f"{sidecar_path(dump)} cannot be read") from error
    if sidecar.format != FORMAT:
        raise Refused("backup-unreadable", f"{sidecar_path(dump)} has format {sidecar.format}, not {FORMAT}")
    return sidecar


def digest_of_file(path: Path) -> str:
    """`sha256:` of a file's content.

    Raises:
        Refused: `backup-unreadable`.
    """
    whole = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while content := file.read(_CHUNK_BYTES):
                whole.update(content)
    except OSError as error:
        raise Refused("backup-unreadable", f"{path}: {error.strerror}") from error
    return f"sha256:{whole.hexdigest()}"


@contextlib.contextmanager
def alone_in(directory: Path, stop: threading.Event, wait_ms: int = 0) -> Iterator[None]:
    """One backup at a time in a directory; what an earlier one left half-written is removed first.

    Args:
        directory: made where needed.
        stop: ends the wait.
        wait_ms: how long another backup may take to end.

    Raises:
        Unavailable: `backup-running`, `database-stopped`, `disk-full`, `backup-unwritable`.
    """
    with disk_faults(directory):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(directory / ".tminus-backup.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        ends_at = time.monotonic() + wait_ms / 1000
        while not _try_lock(lock):
            if time.monotonic() >= ends_at:
                raise Unavailable("backup-running", f"another backup into {directory} is under way")
            if stop.wait(_LOOK_S):
                raise Unavailable("database-stopped", "told to stop")
        remove_halves(directory)
        yield
    finally:
        os.close(lock)


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def disk_faults(directory: Path) -> Iterator[None]:
    """Turns what the file system refuses into a fault.

    Raises:
        Unavailable: `disk-full`, `backup-unwritable`.
    """
    try:
        yield
    except OSError as error:
        code = "disk-full" if error.errno in _FULL else "backup-unwritable"
        why = f"no backup can be written to {directory}: {error.strerror}"
        raise Unavailable(code, why) from error


def remove_halves(directory: Path) -> None:
    """Removes what was never finished: temporary files and folders, and counts without a backup."""
    for path in directory.glob(".tminus-*.tmp"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for path in [each for end in _BESIDE for each in directory.glob(f"tminus-*.{end}")]:
        if not path.with_suffix("").exists():
            path.unlink(missing_ok=True)


def write_private(path: Path, content: bytes) -> None:
    """Writes a small file whole or not at all, readable by its owner only.

    Raises:
        OSError: it is not written.
    """
    note = path.with_name(f".{path.name}.tmp")
    note.unlink(missing_ok=True)
    with _open_private(note) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    note.replace(path)


def _open_private(path: Path) -> IO[bytes]:
    """A new file: a dump holds what customers entrusted, so its owner alone may read it."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
