"""Base backups: a copy of the whole cluster with the log that belongs to it, and a mark to prove it by."""

import hashlib
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tminus.adapters.postgres.dump import alone_in, disk_faults, sidecar_path, write_private
from tminus.adapters.postgres.guarded import Ending, Guarded
from tminus.adapters.postgres.mark import Mark, take_mark, write_on
from tminus.adapters.postgres.precedence import announce_backup
from tminus.adapters.postgres.programs import find_program
from tminus.adapters.postgres.receiver import hold_log, receive
from tminus.adapters.postgres.session import Connection, connect, faults, limited, parse_address
from tminus.adapters.postgres.standing import MIRRORED_SETTINGS, Standing, check_standing, read_standing
from tminus.adapters.postgres.wal import filled_to, segments
from tminus.domain.canonical import Json, canonical_bytes
from tminus.domain.codec import DecodeError, from_json, to_json
from tminus.ports.database import BackupReading, TableCount
from tminus.ports.fault import Refused, Unavailable

FORMAT = 1
_LOOK_S = 0.1
_START_S = 30.0  # until the receiver has a first segment, or holds the last record: it takes a second
_DEADLINE_MS = 24 * 3_600_000  # the job's own deadline is shorter; this one ends what nobody watches


@dataclass(frozen=True, slots=True)
class BaseSidecar:
    """What stands beside a base backup, in `NAME.base.json`.

    Attributes:
        format: of this file.
        digest: of its manifest, which names and hashes every file of the cluster.
        size_bytes: of all its files.
        taken_ms: when its mark was taken, milliseconds since the epoch.
        server_major: major version of the server.
        segment_bytes: length of a segment of the log.
        first: position in the log at which it begins to be held.
        position: of the mark.
        snapshot: of the mark.
        settings: of the server, those that a copy of it must not have lower.
        tables: counted in the mark, of the one database that was asked for.
    """

    format: int
    digest: str
    size_bytes: int
    taken_ms: int
    server_major: int
    segment_bytes: int
    first: int
    position: int
    snapshot: str
    settings: Mapping[str, str]
    tables: tuple[TableCount, ...]

    @property
    def mark(self) -> Mark:
        """The mark that it was taken with."""
        return Mark(self.taken_ms, self.position, self.snapshot, self.tables)


class BaseBackup:
    """Takes base backups with pg_basebackup and pg_receivewal."""

    def __init__(self, url: str, log_directory: Path, *, wait_ms: int = 0) -> None:
        """Makes no call; see `PostgresBackup`.

        Raises:
            Refused: `database-url-invalid`.
        """
        self._address = parse_address(url)
        self._logs = log_directory
        self._wait_ms = wait_ms

    def take_backup(self, directory: Path, stop: threading.Event) -> BackupReading:
        """A folder with the cluster in `data` and its log in `wal`, checked by pg_verifybackup.

        Raises:
            Refused: `backup-failed`, `pg-tools-missing`, `pg-tools-older`, or what `check_standing` raises.
            Unavailable: `database-unreachable`, `database-stopped`, `disk-full`, `backup-running`,
                `backup-unwritable`, `archive-behind`.
        """
        started = time.monotonic()
        with (
            alone_in(directory, stop, self._wait_ms),
            closing(connect(self._address)) as connection,
            limited(connection, stop=stop),
        ):
            with faults(self._address, "backup-failed"):
                announce_backup(connection)
                standing = read_standing(connection)
            check_standing(standing)
            with faults(self._address, "backup-failed"):
                hold_log(connection)
            with disk_faults(directory):
                path, sidecar = self._take(directory, connection, standing, stop)
        return BackupReading(
            path=str(path),
            digest=sidecar.digest,
            size_bytes=sidecar.size_bytes,
            taken_ms=sidecar.taken_ms,
            took_ms=int((time.monotonic() - started) * 1000),
            tables=len(sidecar.tables),
            rows=sum(count.rows for count in sidecar.tables),
        )

    def _take(
        self, directory: Path, connection: Connection, standing: Standing, stop: threading.Event
    ) -> tuple[Path, BaseSidecar]:
        temporary = directory / f".tminus-{os.getpid()}.base.tmp"
        try:
            wal = temporary / "wal"
            for folder in (temporary, wal):
                folder.mkdir(mode=0o700)
            mark = self._copy(temporary / "data", wal, connection, standing, stop)
            for segment in segments(wal, standing.segment_bytes):
                segment.path.rename(wal / segment.name)  # padded to its length, as a whole one is
            self._verify(temporary, standing, stop)
            return _finish(directory, temporary, mark, standing)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)

    def _copy(
        self, data: Path, wal: Path, connection: Connection, standing: Standing, stop: threading.Event
    ) -> Mark:
        """Receives the log from before the copy begins until after the mark, which follows its end."""
        program = find_program("pg_receivewal", standing.major)
        log = self._logs / "pg_receivewal.log"
        with receive(program, wal, self._address, standing.version, log) as receiver:
            _until(lambda: bool(segments(wal, standing.segment_bytes)), receiver, stop)
            self._run("pg_basebackup", standing, stop, f"--pgdata={data}", *_COPY)
            with faults(self._address, "backup-failed"):
                mark = take_mark(connection, stop.is_set)
                wanted = write_on(connection)
            _until(lambda: _held(wal, standing) > wanted, receiver, stop)
        return mark

    def _verify(self, temporary: Path, standing: Standing, stop: threading.Event) -> None:
        verify_files(temporary, standing.major, self._logs, stop)

    def _run(self, name: str, standing: Standing, stop: threading.Event, *arguments: str) -> None:
        program = find_program(name, standing.major)
        environment = self._address.environment(standing.version)
        ending = run_program(
            [str(program), *arguments], environment, self._logs, stop, secrets=self._address.secrets
        )
        if not ending.fine:
            with closing(connect(self._address)):  # a server that has gone is another matter
                raise Refused("backup-failed", f"{name} ended with {ending.code}: {ending.tail}")


_COPY = (
    "--format=plain",
    "--wal-method=none",
    "--checkpoint=fast",
    "--manifest-checksums=SHA256",
    "--no-password",
)


def verify_files(base: Path, server_major: int, logs: Path, stop: threading.Event) -> None:
    """Has pg_verifybackup read every file of a base backup, and its log.

    Raises:
        Refused: `backup-unreadable`, with what is wrong; `pg-tools-missing`, `pg-tools-older`.
        Unavailable: `database-stopped`.
    """
    program = find_program("pg_verifybackup", server_major)
    argv = [str(program), "--quiet", f"--wal-directory={base / 'wal'}", str(base / "data")]
    ending = run_program(argv, {"LC_ALL": "C", "PATH": os.environ.get("PATH", os.defpath)}, logs, stop)
    if not ending.fine:
        raise Refused("backup-unreadable", f"pg_verifybackup finds {base.name} wanting: {ending.tail}")


def run_program(
    argv: list[str],
    environment: Mapping[str, str],
    logs: Path,
    stop: threading.Event,
    secrets: tuple[str, ...] = (),
) -> Ending:
    """Runs a program of PostgreSQL to its end.

    Raises:
        Unavailable: `database-stopped`.
    """
    log = logs / f"{Path(argv[0]).name}.log"
    with Guarded(argv, logs, environment, deadline_ms=_DEADLINE_MS, log=log, secrets=secrets) as guarded:
        while (ending := guarded.wait(_LOOK_S)) is None:
            if stop.is_set():
                raise Unavailable("database-stopped", "told to stop")
    return ending


def read_base(base: Path) -> BaseSidecar:
    """What stands beside a base backup.

    Raises:
        Refused: `backup-unreadable`.
    """
    path = sidecar_path(base)
    try:
        body: Json = json.loads(path.read_bytes())
        sidecar = from_json(BaseSidecar, body)
    except (OSError, ValueError, DecodeError) as error:
        raise Refused("backup-unreadable", f"{path} is not there, or cannot be read") from error
    if sidecar.format != FORMAT:
        raise Refused("backup-unreadable", f"{path} has format {sidecar.format}, not {FORMAT}")
    return sidecar


def _finish(directory: Path, temporary: Path, mark: Mark, standing: Standing) -> tuple[Path, BaseSidecar]:
    """Gives the folder its name last, so that one with that name is always complete."""
    files = [path for path in temporary.rglob("*") if path.is_file()]
    held = segments(temporary / "wal", standing.segment_bytes)
    manifest = (temporary / "data" / "backup_manifest").read_bytes()
    sidecar = BaseSidecar(
        format=FORMAT,
        digest=f"sha256:{hashlib.sha256(manifest).hexdigest()}",
        size_bytes=sum(path.stat().st_size for path in files),
        taken_ms=mark.taken_ms,
        server_major=standing.major,
        segment_bytes=standing.segment_bytes,
        first=held[0].start,
        position=mark.position,
        snapshot=mark.snapshot,
        settings={name: standing.settings[name] for name in MIRRORED_SETTINGS},
        tables=mark.tables,
    )
    seconds, milliseconds = divmod(mark.taken_ms, 1000)
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(seconds))
    path = directory / f"tminus-{stamp}.{milliseconds:03d}Z.base"
    write_private(sidecar_path(path), canonical_bytes(to_json(sidecar)))
    temporary.rename(path)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return path, sidecar


def _held(wal: Path, standing: Standing) -> int:
    return filled_to(segments(wal, standing.segment_bytes), standing.segment_bytes)


def _until(reached: Callable[[], bool], receiver: Guarded, stop: threading.Event) -> None:
    ends_at = time.monotonic() + _START_S
    while not reached():
        ending = receiver.wait(_LOOK_S)
        if ending is not None:
            raise Refused("backup-failed", f"pg_receivewal ended with {ending.code}: {ending.tail}")
        if stop.is_set():
            raise Unavailable("database-stopped", "told to stop")
        if time.monotonic() >= ends_at:
            raise Unavailable("archive-behind", "the server's log does not come")
