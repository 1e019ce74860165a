"""What only a file on a disk can do to a journal: fill up, break, be locked, be killed at any instant."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, event

from tminus.adapters.database.database import Database, Mode
from tminus.adapters.database.sqlite import fault_of
from tminus.adapters.database.store import Store, sqlite_store
from tminus.domain.launch.chain import verify_records
from tminus.ports.fault import PortFault, Refused, Unavailable, Unknown
from tminus.ports.journal import Draft, LaunchRow, Order, Snapshot

LAUNCH = "shop-7"
ROW = LaunchRow(LAUNCH, "shop", "production", 1_000, open=True)

PRELUDE = """
import json, os, sys
from pathlib import Path
from tminus.adapters.database.store import sqlite_store
from tminus.ports.fault import PortFault
from tminus.ports.journal import Draft, LaunchRow, Order, Snapshot
LAUNCH = "shop-7"
ROW = LaunchRow(LAUNCH, "shop", "production", 1_000, open=True)
def draft(number): return Draft("noted", 1, 1_000, {"number": number, "padding": "x" * 300})
path = Path(sys.argv[1])
"""


def draft(number: int, padding: int = 300) -> Draft:
    return Draft("noted", 1, 1_000, {"number": number, "padding": "x" * padding})


def script(body: str, path: Path) -> list[str]:
    return [sys.executable, "-c", PRELUDE + textwrap.dedent(body), str(path)]


def code_of_append(store: Store, after_seq: int) -> str:
    with pytest.raises(PortFault) as fault:
        store.journal.append(LAUNCH, 0, after_seq, [draft(1)])
    return fault.value.code


def tamper(path: Path, *statements: str) -> None:
    """As somebody with a shell on the machine would: the triggers stand in the way of nobody."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite3"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    store = sqlite_store(path)
    store.book.open_launch(ROW, [])
    yield store
    store.close()


def test_a_writer_killed_at_any_instant_leaves_a_valid_prefix(store: Store, path: Path) -> None:
    endless = script(
        """
        store = sqlite_store(path)
        while True:
            seq = store.journal.head(LAUNCH).seq
            print(store.journal.append(LAUNCH, 0, seq, [draft(seq + n) for n in range(3)]).seq, flush=True)
        """,
        path,
    )
    reported = 0
    for round_number in range(4):
        with subprocess.Popen(endless, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout
            for _ in range(5 + 7 * round_number):
                reported = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
            reported = int(([str(reported), *writer.stdout.read().split()])[-1])
        records = store.journal.read(LAUNCH)
        assert len(records) in (reported, reported + 3), "what was reported stands, and nothing by halves"
        assert verify_records(store.raw.links(LAUNCH)) == ()


def test_an_order_posted_by_another_process_is_seen(store: Store, path: Path) -> None:
    store.journal.append(LAUNCH, 0, 0, [draft(1)])
    post = script('sqlite_store(path).inbox.post(LAUNCH, Order("k", "hold", "ada", "why", 5))', path)
    subprocess.run(post, check=True)
    assert store.inbox.orders(LAUNCH) == (Order("k", "hold", "ada", "why", 5),)
    assert store.journal.append(LAUNCH, 0, 1, [draft(2)]).seq == 2


def test_processes_that_open_a_new_journal_at_once_all_succeed(path: Path) -> None:
    opening = script(
        """
        sys.stdin.read(1)
        name = str(os.getpid())
        sqlite_store(path).book.open_launch(LaunchRow(name, name, "", 1, open=True), [])
        """,
        path,
    )
    openers = [subprocess.Popen(opening, stdin=subprocess.PIPE) for _ in range(5)]
    for opener in openers:
        opener.communicate(b"!")
    assert [opener.returncode for opener in openers] == [0] * 5
    store = sqlite_store(path)
    assert len(store.book.launches()) == 5
    store.close()


def test_a_full_disk_is_named_and_costs_nothing_that_was_written(tmp_path: Path) -> None:
    namespace = ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*namespace, "true"], check=False, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs user namespaces, which are not allowed here")
    fill = script(
        """
        filler = path.parent / "filler"
        filler.write_bytes(b"x" * 200_000)
        store = sqlite_store(path)
        store.book.open_launch(ROW, [])
        seq, fault = 0, None
        while fault is None:
            try:
                seq = store.journal.append(LAUNCH, 0, seq, [draft(seq)]).seq
            except PortFault as caught:
                fault = caught
        intact = [record.body["number"] for record in store.journal.read(LAUNCH)] == list(range(seq))
        # Longer than the pages that the append which failed has left in the write-ahead log.
        reason = "x" * 100_000
        try:
            store.inbox.post(LAUNCH, Order("k", "hold", "ada", reason, 1))
            posting = "posted"
        except PortFault as caught:
            posting = caught.code
        filler.unlink()
        after = store.journal.append(LAUNCH, 0, seq, [draft(seq)]).seq
        kinds = [type(fault).__name__, fault.code, posting]
        print(json.dumps([*kinds, intact, seq > 10, after == seq + 1 == len(store.journal.read(LAUNCH))]))
        """,
        tmp_path / "journal.sqlite3",
    )
    mount = f'mount -t tmpfs -o size=1m tmpfs "{tmp_path}" && exec "$@"'
    outcome = subprocess.run(
        [*namespace, "sh", "-c", mount, "sh", *fill], check=True, capture_output=True, text=True
    )
    assert json.loads(outcome.stdout) == ["Unavailable", "journal-full", "journal-full", True, True, True]


def test_a_database_at_its_size_limit_is_full(store: Store, path: Path) -> None:
    head = store.journal.append(LAUNCH, 0, 0, [draft(number) for number in range(20)])

    @event.listens_for(store.database._engine, "begin")
    def limit(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")

    big = [draft(number, 3_000) for number in range(9)]
    with pytest.raises(Unavailable, match="journal-full"):
        store.journal.append(LAUNCH, 0, head.seq, big)
    assert store.journal.head(LAUNCH) == head
    assert len(store.journal.read(LAUNCH)) == 20


def test_a_disk_that_fails_during_the_commit_leaves_the_effect_unknown(store: Store, path: Path) -> None:
    store.journal.append(LAUNCH, 0, 0, [draft(number) for number in range(20)])
    failing = script(
        """
        import resource, signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        store = sqlite_store(path)
        store.journal.head(LAUNCH)
        size = os.path.getsize(f"{path}-wal")
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 2_000, resource.RLIM_INFINITY))
        faults = []
        try:
            store.journal.append(LAUNCH, 0, 20, [draft(20)])
        except PortFault as fault:
            faults.append([type(fault).__name__, fault.code])
        faults.append(store.journal.head(LAUNCH).seq)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        faults.append(store.journal.append(LAUNCH, 0, 20, [draft(20)]).seq)
        print(json.dumps(faults))
        """,
        path,
    )
    outcome = subprocess.run(failing, check=True, capture_output=True, text=True)
    assert json.loads(outcome.stdout) == [["Unknown", "journal-commit-unclear"], 20, 21]
    assert len(store.journal.read(LAUNCH)) == 21


def test_a_locked_journal_is_busy_for_writers_and_open_to_readers(store: Store, path: Path) -> None:
    store.journal.append(LAUNCH, 0, 0, [draft(1)])
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        assert code_of_append(store, 1) == "journal-busy"
        assert 0.9 < time.monotonic() - began < 5
        assert len(store.journal.read(LAUNCH)) == 1
    assert store.journal.append(LAUNCH, 0, 1, [draft(2)]).seq == 2


def test_errors_of_the_driver_become_faults_by_their_codes(store: Store, path: Path) -> None:
    store.journal.append(LAUNCH, 0, 0, [draft(1)])
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)) as readonly:
        with pytest.raises(sqlite3.Error) as refused:
            readonly.execute("DELETE FROM inbox")
        fault = fault_of(refused.value, False)
        assert isinstance(fault, Unavailable)
        assert fault.code == "journal-readonly"
        with pytest.raises(sqlite3.Error) as bug:
            readonly.execute("SELECT nonsense")
        assert fault_of(bug.value, False) is None


@pytest.mark.parametrize(
    ("code", "committing", "kind", "fault_code"),
    [
        (sqlite3.SQLITE_FULL, False, Unavailable, "journal-full"),
        (sqlite3.SQLITE_FULL, True, Unavailable, "journal-full"),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, False, Unavailable, "journal-busy"),
        (sqlite3.SQLITE_BUSY, True, Unavailable, "journal-busy"),
        (sqlite3.SQLITE_READONLY_DBMOVED, False, Unavailable, "journal-readonly"),
        (sqlite3.SQLITE_IOERR_WRITE, False, Unavailable, "journal-unreachable"),
        (sqlite3.SQLITE_IOERR_FSYNC, True, Unknown, "journal-commit-unclear"),
        (sqlite3.SQLITE_CANTOPEN, False, Unavailable, "journal-unreachable"),
        (sqlite3.SQLITE_CORRUPT_INDEX, False, Refused, "journal-corrupt"),
        (sqlite3.SQLITE_NOTADB, False, Refused, "journal-corrupt"),
    ],
)
def test_each_code_has_its_fault(code: int, committing: bool, kind: type[PortFault], fault_code: str) -> None:
    error = sqlite3.OperationalError("whatever it says")
    error.sqlite_errorcode = code
    fault = fault_of(error, committing)
    assert (type(fault), fault and fault.code) == (kind, fault_code)


def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="journal-unreachable"):
        sqlite_store(tmp_path / "nowhere" / "journal.sqlite3")


def test_a_missing_journal_is_not_made_when_nobody_asked_for_it(path: Path) -> None:
    with pytest.raises(Refused, match="journal-missing"):
        sqlite_store(path, create=False)
    assert not path.exists()


def test_a_file_that_is_no_database_is_corrupt(path: Path) -> None:
    path.write_bytes(b"not a database, but long enough to be looked at\n" * 100)
    with pytest.raises(Refused, match="journal-corrupt"):
        sqlite_store(path)


def test_overwritten_pages_are_corrupt(store: Store, path: Path) -> None:
    store.journal.append(LAUNCH, 0, 0, [draft(number) for number in range(200)])
    store.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(os.urandom(size // 2))
    with pytest.raises(Refused, match="journal-corrupt"):
        store.journal.read(LAUNCH)


def test_a_journal_of_a_later_version_is_refused(store: Store, path: Path) -> None:
    store.close()
    tamper(path, "UPDATE meta SET value = '99'")
    with pytest.raises(Refused, match=r"journal-newer: a later tminus wrote .* \(schema 99, known is 1\)"):
        sqlite_store(path)


@pytest.mark.parametrize("statement", ["CREATE TABLE notes (text)", "CREATE TABLE meta (key, value)"])
def test_a_database_of_another_program_is_left_alone(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute(statement)
    with pytest.raises(Refused, match="journal-foreign"):
        sqlite_store(path)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE events SET body = '{}' WHERE seq = 2",
        "DELETE FROM events WHERE seq = 3",
        "INSERT OR REPLACE INTO events SELECT * FROM events WHERE seq = 2",
        "INSERT INTO events SELECT launch, 9, kind, 1, 1, 0, body, hash, hash FROM events WHERE seq = 3",
        "INSERT INTO events SELECT launch, 4, kind, 1, 1, 0, body, prev, hash FROM events WHERE seq = 3",
    ],
)
def test_the_database_itself_refuses_to_change_events(store: Store, path: Path, statement: str) -> None:
    store.journal.append(LAUNCH, 0, 0, [draft(1), draft(2), draft(3)])
    before = store.journal.read(LAUNCH)
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as other,
        pytest.raises(sqlite3.IntegrityError),
    ):
        other.execute(statement)
    assert store.journal.read(LAUNCH) == before


@pytest.mark.parametrize(
    ("statement", "refusal"),
    [
        (
            "UPDATE events SET body = replace(body, '3', '4') WHERE seq = 4",
            "event 4: its content does not fit its hash",
        ),
        ("UPDATE events SET body = x'ff' WHERE seq = 4", "event 4: its content does not fit its hash"),
        ("UPDATE events SET at_ms = 'noon' WHERE seq = 4", "event 4: its content does not fit its hash"),
        ("UPDATE events SET kind = CAST(x'ff' AS TEXT) WHERE seq = 4", "event 4: its content does not fit"),
        ("DELETE FROM events WHERE seq = 4", "event 4: it is missing"),
        (
            "UPDATE events SET hash = replace(hash, 'a', 'b') WHERE seq = 3",
            "event 3: its content does not fit its hash",
        ),
        ("UPDATE events SET seq = 99 WHERE seq = 6", "event 6: it is missing"),
    ],
)
def test_reading_stops_at_the_first_event_that_was_tampered_with(
    store: Store, path: Path, statement: str, refusal: str
) -> None:
    store.journal.append(LAUNCH, 0, 0, [draft(number) for number in range(6)])
    tamper(path, statement)
    with pytest.raises(Refused, match=rf"journal-corrupt: launch {LAUNCH}, {refusal}"):
        store.journal.read(LAUNCH)


def test_reading_on_verifies_only_what_follows(store: Store, path: Path) -> None:
    store.journal.append(LAUNCH, 0, 0, [draft(number) for number in range(6)])
    tamper(path, "UPDATE events SET body = '{}' WHERE seq = 2")
    assert [record.seq for record in store.journal.read(LAUNCH, 3)] == [4, 5, 6]
    tamper(path, "DELETE FROM events WHERE seq = 3")
    with pytest.raises(Refused, match="event 3: it is missing"):
        store.journal.read(LAUNCH, 2)


def test_nothing_is_appended_to_a_head_that_was_edited(store: Store, path: Path) -> None:
    store.journal.append(LAUNCH, 0, 0, [draft(1), draft(2)])
    tamper(path, "UPDATE events SET body = '{}' WHERE seq = 2")
    assert code_of_append(store, 2) == "journal-corrupt"


def test_a_snapshot_that_rotted_is_no_snapshot(store: Store, path: Path) -> None:
    head = store.journal.append(LAUNCH, 0, 0, [draft(1)])
    store.shelf.save_snapshot(Snapshot(LAUNCH, 1, head.hash, {"phase": "poll"}))
    tamper(path, 'UPDATE snapshots SET state = \'{"phase":"closed"}\'')
    assert store.shelf.snapshot(LAUNCH) is None


@pytest.mark.parametrize(("mode", "synchronous"), [(Mode.WRITE, 2), (Mode.QUICK, 1)])
def test_what_must_last_is_synchronised_and_what_may_be_lost_is_not(
    store: Store, mode: Mode, synchronous: int
) -> None:
    database: Database = store.database
    with database.transaction(mode) as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == synchronous
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_writers_of_one_process_queue_for_a_bounded_time(store: Store) -> None:
    with store.database.transaction(Mode.WRITE):
        began = time.monotonic()
        assert code_of_append(store, 0) == "journal-busy"
        assert 0.9 < time.monotonic() - began < 5
    assert store.journal.append(LAUNCH, 0, 0, [draft(1)]).seq == 1
