"""The files of one job. Written whole or not at all; must not start, stop or judge anything."""

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from tminus.adapters.jobs.identity import Identity
from tminus.domain.canonical import Json, NotCanonicalError, canonical_bytes

OUTCOME_RESERVE_BYTES = 64 * 1024  # set aside when a job starts, so that a full disk later costs no outcome
OUTCOME_LIMIT_BYTES = 1024 * 1024  # what a journal and a tick can bear
LOG_LIMIT_BYTES = 8 * 1024 * 1024  # per log file
_LOG_KEPT_BYTES = 64 * 1024  # the end of a log that grew too long
_NAME_LENGTH = 32  # hexadecimal digits: 128 bits of the key's digest


class JobRecord:
    """The directory of one job.

    Files: `spec.json` what was asked for, `lock` held by the job's process for its life, `pid.json` who it
    is, `stop.json` the wish that it ends, `outcome.json` how it ended, `progress.json` what the work noted
    on its way, `*.log` what was printed.
    """

    def __init__(self, directory: Path) -> None:
        """Takes the directory; makes no call."""
        self.directory = directory

    @property
    def mark(self) -> str:
        """What the environment of the job's processes carries; unique on this machine."""
        return hashlib.sha256(os.fsencode(self.directory.resolve())).hexdigest()[:_NAME_LENGTH]

    def lock(self) -> int | None:
        """A descriptor that holds the job's lock, None when somebody else holds it.

        Raises:
            OSError: the lock file cannot be opened.
        """
        descriptor = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor

    def read(self, name: str) -> Mapping[str, Json] | None:
        """The object in `name`, None when the file does not exist or holds no JSON object.

        Raises:
            OSError: it exists and cannot be read.
        """
        try:
            content = json.loads((self.directory / name).read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return content if isinstance(content, dict) else None

    def has(self, name: str) -> bool:
        """Whether the file exists."""
        return (self.directory / name).exists()

    def write(self, name: str, content: Mapping[str, Json]) -> None:
        """Writes `name` durably, whole or not at all.

        Raises:
            OSError: it is not written.
        """
        temporary = self.directory / f".{name}.tmp"
        with temporary.open("wb") as file:
            file.write(canonical_bytes(dict(content)))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.directory / name)
        self._sync()

    def remove(self, *names: str) -> None:
        """Removes files where they exist."""
        for name in names:
            (self.directory / name).unlink(missing_ok=True)
        self._sync()

    def identity(self) -> Identity | None:
        """Who the job's process is or was, None when it never said so."""
        body = self.read("pid.json")
        if body is None:
            return None
        return Identity(
            cast("int", body["pid"]), cast("int", body["start_ticks"]), cast("str", body["boot_id"])
        )

    def reserve(self) -> None:
        """Sets disk space aside for the outcome.

        Raises:
            OSError: there is none.
        """
        with (self.directory / ".outcome.tmp").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, OUTCOME_RESERVE_BYTES)
            os.fsync(file.fileno())

    def write_outcome(self, phase: str, result: Json = None, code: str = "", why: str = "") -> None:
        """Writes how the job ended, into the space set aside.

        A result that cannot be stored becomes a failure that says so.

        Raises:
            OSError: nothing could be stored; the job will read as lost.
        """
        body: dict[str, Json] = {"phase": phase, "result": result, "code": code, "why": why}
        try:
            content = canonical_bytes(body)
        except NotCanonicalError as error:
            content = _failure("result-not-canonical", f"the work's result cannot be stored: {error}")
        if len(content) > OUTCOME_LIMIT_BYTES:
            content = _failure("result-too-large", f"the work's result has {len(content)} bytes of JSON")
        try:
            self._store_outcome(content)
        except OSError as error:
            self._store_outcome(
                _failure("outcome-unwritable", f"the work ended, its result could not be stored: {error}")
            )

    def bound_logs(self) -> None:
        """Cuts log files that grew too long down to their last part; writers append and notice nothing."""
        for path in self.directory.glob("*.log"):
            with contextlib.suppress(OSError):
                if path.stat().st_size > LOG_LIMIT_BYTES:
                    _keep_end(path)

    def _store_outcome(self, content: bytes) -> None:
        temporary = self.directory / ".outcome.tmp"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            # Overwritten in place and cut afterwards: cutting first would give the reserved blocks away.
            written = 0
            while written < len(content):
                written += os.pwrite(descriptor, content[written:], written)
            os.ftruncate(descriptor, len(content))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(self.directory / "outcome.json")
        self._sync()

    def _sync(self) -> None:
        descriptor = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def record_of(root: Path, key: str) -> JobRecord:
    """The record of the job `key` under `root`; any text is a safe key."""
    return JobRecord(root / hashlib.sha256(key.encode()).hexdigest()[:_NAME_LENGTH])


def _failure(code: str, why: str) -> bytes:
    return canonical_bytes({"phase": "failed", "result": None, "code": code, "why": why})


def _keep_end(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(-_LOG_KEPT_BYTES, os.SEEK_END)
        end = file.read(_LOG_KEPT_BYTES)
        file.truncate(0)
    with path.open("ab") as file:
        file.write(b"[earlier lines were cut: the log grew too long]\n" + end)
