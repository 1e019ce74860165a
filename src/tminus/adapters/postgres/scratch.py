"""A base backup proven: copied, started as a server of its own, replayed to a mark, counted, removed."""

import fcntl
import os
import pwd
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tminus.adapters.postgres.base import BaseSidecar, read_base, verify_files
from tminus.adapters.postgres.counts import count_tables, differences
from tminus.adapters.postgres.dump import disk_faults
from tminus.adapters.postgres.guarded import Guarded
from tminus.adapters.postgres.mark import Mark, committed_since
from tminus.adapters.postgres.programs import find_program
from tminus.adapters.postgres.session import Address, Connection, connect, faults, limited
from tminus.adapters.postgres.wal import format_lsn, segments, unbroken_from
from tminus.ports.database import RestoreReading, TableCount
from tminus.ports.fault import PortFault, Refused, Unavailable

PREFIX = "tminus-restore-"
_UNPRIVILEGED = ("postgres", "nobody")  # PostgreSQL refuses to run as root
_PORT = "5432"  # names the socket only: the server listens on no address
_LOOK_S = 0.2
_DEADLINE_MS = 24 * 3_600_000  # the job's own deadline is shorter; this one ends what nobody watches


@dataclass(frozen=True, slots=True)
class BaseRestore:
    """One test of one base backup.

    Attributes:
        address: of the database that is counted; only its names are used.
        base: the backup.
        logs: where the programs' output is kept.
        archive: folders of the log beside the backup's own, empty for none.
        mark: what to compare with; None for the mark of the backup.
    """

    address: Address
    base: Path
    logs: Path
    archive: Sequence[Path] = ()
    mark: Mark | None = None

    def test(self, stop: threading.Event) -> RestoreReading:
        """Restores, compares, and removes everything in every case.

        Raises:
            Refused: `backup-unreadable`, `restore-failed`, `archive-broken`, `pg-tools-missing`,
                `pg-tools-older`, `pg-tools-newer`.
            Unavailable: `database-stopped`, `disk-full`, `backup-unwritable`, `comparison-unsure`.
        """
        started = time.monotonic()
        sidecar = read_base(self.base)
        mark = self.mark or sidecar.mark
        program = find_program("postgres", sidecar.server_major, exactly=True)
        verify_files(self.base, sidecar.server_major, self.logs, stop)
        with _folder() as folder, disk_faults(folder):
            self._fill(folder, sidecar, mark, stop)
            with self._server(program, folder) as server:
                tables, found = self._compare(folder, server, mark, stop)
        return RestoreReading(tables, found, int((time.monotonic() - started) * 1000))

    def _fill(self, folder: Path, sidecar: BaseSidecar, mark: Mark, stop: threading.Event) -> None:
        def copy(source: str, target: str) -> str:
            if stop.is_set():
                raise Unavailable("database-stopped", "told to stop")
            return shutil.copyfile(source, target)

        shutil.copytree(self.base / "data", folder / "data", copy_function=copy)
        (folder / "wal").mkdir()
        # The end of the backup's own last segment is padding, where the archive has what came afterwards.
        places = (self.base / "wal", *self.archive)
        held = {found.name: found for place in places for found in segments(place, sidecar.segment_bytes)}
        ordered = sorted(held.values(), key=lambda each: each.name)
        needed = list(unbroken_from(ordered, sidecar.first, sidecar.segment_bytes))
        if not needed or needed[-1].start + sidecar.segment_bytes <= mark.position:
            why = f"the log that is held ends before {format_lsn(mark.position)}"
            raise Refused("archive-broken", f"{self.base.name} cannot be brought up to the mark: {why}")
        for segment in needed:
            copy(str(segment.path), str(folder / "wal" / segment.name))
        for history in [each for place in places for each in place.glob("*.history")]:
            copy(str(history), str(folder / "wal" / history.name))
        _configure(folder, sidecar, mark)
        _hand_over(folder)

    @contextmanager
    def _server(self, program: Path, folder: Path) -> Iterator[Guarded]:
        argv = [str(program), "-D", str(folder / "data"), "-c", f"config_file={folder / 'server.conf'}"]
        owner = _owner()
        guarded = Guarded(
            argv,
            folder,
            {"LC_ALL": "C", "TZ": "UTC", "PATH": os.environ.get("PATH", os.defpath)},
            deadline_ms=_DEADLINE_MS,
            log=self.logs / "postgres.log",
            secrets=self.address.secrets,
            user=None if owner is None else (owner.pw_uid, owner.pw_gid),
        )
        with guarded:
            try:
                yield guarded
            finally:
                guarded.stop()
                guarded.wait(_STOP_S)

    def _compare(
        self, folder: Path, server: Guarded, mark: Mark, stop: threading.Event
    ) -> tuple[tuple[TableCount, ...], tuple[str, ...]]:
        names = {
            name: str(self.address.parts[name]) for name in ("user", "dbname") if name in self.address.parts
        }
        address = Address("", {"host": str(folder / "s"), "port": _PORT, **names})
        with (
            closing(_replayed(address, server, stop)) as connection,
            limited(connection, stop=stop),
            faults(address, "restore-failed"),
        ):
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            tables = tuple(count_tables(connection, logged_only=True))
            connection.execute("COMMIT")
            found = differences(mark.tables, tables)
            if found and committed_since(connection, mark.snapshot):
                why = "transactions ended in the moment of the mark, so what differs may be right"
                raise Unavailable("comparison-unsure", f"{why}: {found[0]}")
        return tables, found


_STOP_S = 5.0  # beyond the grace after which the guard kills


def _replayed(address: Address, server: Guarded, stop: threading.Event) -> Connection:
    """A connection to the server once it has replayed the log up to the mark, where it pauses."""
    while True:
        ending = server.wait(_LOOK_S)
        if ending is not None:
            raise Refused("restore-failed", f"the restored server ended with {ending.code}: {ending.tail}")
        if stop.is_set():
            raise Unavailable("database-stopped", "told to stop")
        with suppress(PortFault):
            connection = connect(address)
            with faults(address):
                row = connection.execute("SELECT pg_catalog.pg_is_wal_replay_paused()").fetchone()
            if row == (True,):
                return connection
            connection.close()


def _configure(folder: Path, sidecar: BaseSidecar, mark: Mark) -> None:
    """A configuration of its own: what the server had may name files and programs that are not meant here."""
    (folder / "s").mkdir(mode=0o700)
    (folder / "hba.conf").write_text("local all all trust\n", encoding="ascii")
    (folder / "ident.conf").write_text("", encoding="ascii")
    settings = {
        "data_directory": str(folder / "data"),
        "hba_file": str(folder / "hba.conf"),
        "ident_file": str(folder / "ident.conf"),
        "listen_addresses": "",
        "port": _PORT,
        "unix_socket_directories": str(folder / "s"),
        "hot_standby": "on",
        "fsync": "off",
        "autovacuum": "off",
        "shared_buffers": "32MB",
        "restore_command": f'cp "{folder / "wal"}/%f" "%p"',
        "recovery_target_lsn": format_lsn(mark.position),
        "recovery_target_inclusive": "off",
        "recovery_target_action": "pause",
        "recovery_target_timeline": "latest",
        **sidecar.settings,
    }
    text = "".join(f"{name} = '{_quoted(value)}'\n" for name, value in settings.items())
    (folder / "server.conf").write_text(text, encoding="utf-8")
    data = folder / "data"
    (data / "postgresql.auto.conf").write_text("", encoding="ascii")
    (data / "recovery.signal").touch()
    (data / "standby.signal").unlink(missing_ok=True)


def _quoted(value: str) -> str:
    return value.replace("'", "''")


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder for one test, held by a lock; those of runs that were killed are removed first.

    Below TMPDIR, since sockets bear no long path, and root's own folders cannot be entered by the user
    that the server runs as.
    """
    _remove_leftovers()
    try:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Unavailable("backup-unwritable", f"{tempfile.gettempdir()}: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _remove_leftovers() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        try:
            lock = os.open(folder / "lock", os.O_RDWR)
        except OSError:
            continue  # another user's, or one that is just being made
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue  # a living run holds it
        finally:
            os.close(lock)


def _owner() -> pwd.struct_passwd | None:
    """Who the server runs as where this process is root."""
    if os.geteuid() != 0:
        return None
    for name in _UNPRIVILEGED:
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise Refused("restore-failed", f"there is no user {' or '.join(_UNPRIVILEGED)} to run a server as")


def _hand_over(folder: Path) -> None:
    """Makes everything the server's own, and closed to others."""
    owner = _owner()
    (folder / "data").chmod(0o700)
    if owner is None:
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, owner.pw_uid, owner.pw_gid, follow_symlinks=False)
