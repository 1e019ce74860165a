"""SQLite: connections, durability, triggers and error codes. Everything else is shared SQL."""

import sqlite3
from contextlib import suppress
from functools import partial
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, select
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from tminus.adapters.database.database import MODE_OPTION, Database, Mode
from tminus.adapters.database.schema import ADDED, METADATA, SCHEMA_VERSION, meta
from tminus.ports.fault import PortFault, Refused, Unavailable, Unknown
from tminus.ports.journal import GENESIS

BUSY_LIMIT_S = (
    1.0  # a writer holds the file for milliseconds; beyond this something is stuck, and the tick must go on
)
CONNECTIONS_MAX = 32  # parallel launches in one agent, with room; more of them wait for BUSY_LIMIT_S
LOG_KEPT_BYTES = 16 * 1024 * 1024  # the write-ahead log is cut back to this after a burst

# An edit that goes through SQL at all must first remove these, and `tminus verify` still finds it.
_TRIGGERS = (
    """CREATE TRIGGER events_never_change BEFORE UPDATE ON events
    BEGIN SELECT RAISE(ABORT, 'events are never changed'); END""",
    """CREATE TRIGGER events_never_leave BEFORE DELETE ON events
    BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END""",
    # The only text put in is a constant of ours.
    f"""CREATE TRIGGER events_continue_the_chain BEFORE INSERT ON events
    WHEN NEW.seq <> 1 + coalesce((SELECT max(seq) FROM events WHERE launch = NEW.launch), 0)
      OR NEW.prev <> coalesce(
        (SELECT hash FROM events WHERE launch = NEW.launch ORDER BY seq DESC LIMIT 1), '{GENESIS}')
    BEGIN SELECT RAISE(ABORT, 'an event continues the chain of its launch'); END""",  # noqa: S608 - see above
)

_BEGIN = {
    Mode.READ: ("BEGIN",),
    # A transaction that reads first and writes later can fail half way when another writer came between;
    # one that takes the write lock at once cannot.
    Mode.WRITE: ("PRAGMA synchronous = FULL", "BEGIN IMMEDIATE"),
    # In a write-ahead log a commit without its own sync is still ordered before all later ones.
    Mode.QUICK: ("PRAGMA synchronous = NORMAL", "BEGIN IMMEDIATE"),
}


def open_sqlite(path: Path, *, create: bool = True) -> Database:
    """The journal database in the file at `path`, made when it is missing and `create` says so.

    Several processes may have the same file open. It must lie on a local disk, and no process that has it
    open may open and close the file by other means: POSIX would drop SQLite's locks.

    Raises:
        Refused: `journal-missing`, `journal-newer` (written by a later tminus), `journal-foreign` (some other
            program's database), `journal-corrupt`.
        Unavailable: the file cannot be opened now.
    """
    if not create and not path.is_file():
        raise Refused("journal-missing", f"there is no journal at {path}: name another")
    database = Database(_engine(path), fault_of, one_writer_within_s=BUSY_LIMIT_S)
    try:
        with database.transaction(Mode.READ) as connection:
            known = _known_version(connection, path)
            lacking = {table.name for table in ADDED} - set(inspect(connection).get_table_names())
        if known is None:
            with database.transaction(Mode.WRITE) as connection:
                _create(connection, path)
        elif lacking:
            # On a full disk a launch goes on without them: nothing that protects needs one.
            with suppress(Unavailable), database.transaction(Mode.WRITE) as connection:
                METADATA.create_all(connection, ADDED)
    except BaseException:
        database.close()
        raise
    return database


def fault_of(error: BaseException, committing: bool) -> PortFault | None:  # noqa: FBT001 - the shape of FaultOf
    """The fault behind an error of the sqlite3 module, by its result code; None where it is a bug.

    Sources: the result codes at sqlite.org/rescode.html. A commit that fails for want of space or of the
    lock has written no valid commit frame; one that fails otherwise may have, and a crash may revive it.
    """
    code = getattr(error, "sqlite_errorcode", None)
    if not isinstance(code, int):
        return None
    name = getattr(error, "sqlite_errorname", str(code))
    match code & 0xFF:  # the upper bits only refine
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return Refused(
                "journal-corrupt",
                f"the journal is no sound SQLite database ({name}): keep the file, restore a backup",
            )
        case sqlite3.SQLITE_FULL:
            return Unavailable("journal-full", "the disk that holds the journal is full: free space there")
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED | sqlite3.SQLITE_PROTOCOL:
            return Unavailable(
                "journal-busy",
                f"another process has held the journal for more than {BUSY_LIMIT_S:g} s: try again",
            )
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            return Unavailable(
                "journal-readonly", f"the journal may not be written ({name}): check who owns it"
            )
        case sqlite3.SQLITE_IOERR if committing:
            return Unknown(
                "journal-commit-unclear",
                f"the disk failed during the commit of the journal ({name}): read its head",
            )
        case sqlite3.SQLITE_IOERR | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_NOMEM | sqlite3.SQLITE_NOLFS:
            return Unavailable("journal-unreachable", f"the journal cannot be read or written now ({name})")
    return None


def _engine(path: Path) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args={"isolation_level": None, "timeout": BUSY_LIMIT_S, "check_same_thread": False},
        poolclass=QueuePool,
        pool_size=CONNECTIONS_MAX,
        max_overflow=0,
        pool_timeout=BUSY_LIMIT_S,
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    assert isinstance(connection, sqlite3.Connection)
    # Text that is no UTF-8 is none of ours: its hash will not fit, which says more than a decoder's error.
    connection.text_factory = partial(str, encoding="utf-8", errors="replace")
    for pragma in (
        "journal_mode = WAL",
        "foreign_keys = ON",
        "fullfsync = ON",  # macOS: a sync that reaches the medium; nothing elsewhere
        f"journal_size_limit = {LOG_KEPT_BYTES}",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()


def _begin(connection: Connection) -> None:
    for statement in _BEGIN[connection.get_execution_options().get(MODE_OPTION, Mode.WRITE)]:
        connection.exec_driver_sql(statement)


def _known_version(connection: Connection, path: Path) -> int | None:
    """Version of the schema, None for an empty database.

    Raises:
        Refused: `journal-newer` or `journal-foreign`.
    """
    tables = inspect(connection).get_table_names()
    if not tables:
        return None
    text = (
        connection.scalar(select(meta.c.value).where(meta.c.key == "schema")) if meta.name in tables else None
    )
    if text is None or not text.isdecimal():
        raise Refused("journal-foreign", f"{path} is a database of another program: name another file")
    if int(text) > SCHEMA_VERSION:
        raise Refused(
            "journal-newer",
            f"a later tminus wrote {path} (schema {text}, known is {SCHEMA_VERSION}): update this one",
        )
    return int(text)


def _create(connection: Connection, path: Path) -> None:
    if _known_version(connection, path) is not None:
        return  # another process was first
    METADATA.create_all(connection, checkfirst=False)
    for trigger in _TRIGGERS:
        connection.exec_driver_sql(trigger)
    connection.execute(meta.insert().values(key="schema", value=str(SCHEMA_VERSION)))
