"""What every implementation of `ports.database` must do, whatever the database is."""

import abc
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tminus.domain.plan.database import Integrity
from tminus.ports.database import Backup, Inspection, IntegrityAnswer, Migration, MigrationSpec, Share
from tminus.ports.fault import PortFault, Refused, Unavailable

FULL_PPM = 1_000_000

LIMIT_MS = 5_000
"""Of a question that should be answered: it takes milliseconds on a calm machine."""


class DatabaseHarness(abc.ABC):
    """A database of its own for each test, and what the suite needs beside the ports.

    SQL is the harness's affair where databases differ; the suite itself uses the common ground.
    """

    @property
    @abc.abstractmethod
    def backup(self) -> Backup:
        """Backups of the database."""

    @property
    @abc.abstractmethod
    def migration(self) -> Migration:
        """Migrations of the database."""

    @property
    @abc.abstractmethod
    def inspection(self) -> Inspection:
        """Questions to the database."""

    @property
    @abc.abstractmethod
    def directory(self) -> Path:
        """A folder of this test."""

    @abc.abstractmethod
    def execute(self, *statements: str) -> None:
        """Runs statements, each for itself."""

    @abc.abstractmethod
    def migrating(self, *statements: str) -> MigrationSpec:
        """A command that runs the statements in one transaction."""

    @abc.abstractmethod
    def never_ending(self) -> str:
        """A query of one row of two integers that takes longer than any test."""

    @abc.abstractmethod
    def databases(self) -> Sequence[str]:
        """The names of all databases of the server."""

    @abc.abstractmethod
    def stop_server(self) -> None:
        """Makes the database go away until `start_server`."""

    @abc.abstractmethod
    def start_server(self) -> None:
        """Brings it back."""


class DatabaseContract:
    """The suite. Subclass it and override the fixture `harness`."""

    @pytest.fixture
    def harness(self) -> DatabaseHarness:
        """What to run the suite on."""
        raise NotImplementedError

    def test_a_backup_comes_back_row_for_row(self, harness: DatabaseHarness) -> None:
        """Every kind of name and value survives."""
        harness.execute(
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, note TEXT, amount NUMERIC(10, 2))",
            "INSERT INTO orders VALUES (1, 'a', 1.50), (2, NULL, NULL), (3, 'ü \"x\"', -2)",
            'CREATE TABLE "Odd Name" (v INTEGER)',
        )
        reading = harness.backup.take_backup(harness.directory / "backups", threading.Event())
        restored = harness.backup.test_restore(Path(reading.path), threading.Event())
        assert restored.differences == ()
        assert {(count.table.rpartition(".")[2], count.rows) for count in restored.tables} == {
            ("orders", 3),
            ("Odd Name", 0),
        }

    def test_a_backup_tells_what_and_how_large_it_is(self, harness: DatabaseHarness) -> None:
        """The reading describes the file."""
        harness.execute("CREATE TABLE t (v INTEGER)")
        reading = harness.backup.take_backup(harness.directory / "backups", threading.Event())
        assert Path(reading.path).stat().st_size == reading.size_bytes > 0
        assert reading.digest.startswith("sha256:")

    def test_what_changes_after_a_backup_is_no_difference(self, harness: DatabaseHarness) -> None:
        """A backup is compared with its own snapshot, not with the present."""
        harness.execute("CREATE TABLE t (v INTEGER)", "INSERT INTO t VALUES (1)")
        reading = harness.backup.take_backup(harness.directory / "backups", threading.Event())
        harness.execute("INSERT INTO t VALUES (2)", "CREATE TABLE later (v INTEGER)")
        assert harness.backup.test_restore(Path(reading.path), threading.Event()).differences == ()

    def test_a_restore_leaves_no_database(self, harness: DatabaseHarness) -> None:
        """Neither after success nor after failure."""
        harness.execute("CREATE TABLE t (v INTEGER)")
        before = set(harness.databases())
        path = Path(harness.backup.take_backup(harness.directory / "backups", threading.Event()).path)
        harness.backup.test_restore(path, threading.Event())
        path.write_bytes(b"no backup at all")
        with pytest.raises(Refused) as refusal:
            harness.backup.test_restore(path, threading.Event())
        assert refusal.value.code == "backup-unreadable"
        assert set(harness.databases()) == before

    def test_a_backup_that_is_not_there_is_unreadable(self, harness: DatabaseHarness) -> None:
        """Missing data is not good news."""
        with pytest.raises(Refused) as refusal:
            harness.backup.test_restore(harness.directory / "never.dump", threading.Event())
        assert refusal.value.code == "backup-unreadable"

    def test_a_backup_that_is_told_to_stop_leaves_nothing(self, harness: DatabaseHarness) -> None:
        """No half of a backup ever looks like one."""
        stop = threading.Event()
        stop.set()
        with pytest.raises(Unavailable):
            harness.backup.take_backup(harness.directory / "backups", stop)
        assert [path for path in (harness.directory / "backups").iterdir() if "dump" in path.name] == []

    def test_a_migration_takes_effect_and_is_timed(self, harness: DatabaseHarness) -> None:
        """The team's command ran, once."""
        reading = harness.migration.migrate(
            harness.migrating("CREATE TABLE t (v INTEGER)", "INSERT INTO t VALUES (1)"), threading.Event()
        )
        assert reading.took_ms > 0
        assert harness.inspection.ask("SELECT 0, count(*) FROM t", LIMIT_MS) == Share(0, 1)

    def test_a_migration_that_fails_half_way_leaves_nothing(self, harness: DatabaseHarness) -> None:
        """What it did in a transaction is gone, and its last lines are told."""
        with pytest.raises(Refused) as refusal:
            harness.migration.migrate(
                harness.migrating("CREATE TABLE half (v INTEGER)", "INSERT INTO nowhere VALUES (1)"),
                threading.Event(),
            )
        assert refusal.value.code == "migration-failed"
        assert "nowhere" in refusal.value.why
        with pytest.raises(Refused) as missing:
            harness.inspection.ask("SELECT 0, count(*) FROM half", LIMIT_MS)
        assert missing.value.code == "question-invalid"

    def test_schema_versions_are_told_before_and_after(self, harness: DatabaseHarness) -> None:
        """As the migration tool records them."""
        harness.execute(
            "CREATE TABLE alembic_version (version_num VARCHAR(32))",
            "INSERT INTO alembic_version VALUES ('a1')",
        )
        reading = harness.migration.migrate(
            harness.migrating("UPDATE alembic_version SET version_num = 'b2'"), threading.Event()
        )
        assert (reading.before, reading.after) == ("a1", "b2")
        assert harness.inspection.read_database(LIMIT_MS).schema_version == "b2"

    def test_a_database_without_versions_has_none(self, harness: DatabaseHarness) -> None:
        """Nothing is made up."""
        reading = harness.inspection.read_database(LIMIT_MS)
        assert (reading.schema_version, reading.replica_lag_ms, reading.waiting) == ("", None, 0)
        assert 0 < reading.connections_ppm < FULL_PPM
        assert reading.latency_us > 0

    def test_every_integrity_check_is_answered(self, harness: DatabaseHarness) -> None:
        """Also after one that failed, and one that cannot be run."""
        harness.execute("CREATE TABLE t (v INTEGER)", "INSERT INTO t VALUES (1)")
        checks = [
            Integrity("nowhere", "SELECT count(*) FROM nowhere", "0"),
            Integrity("differs", "SELECT count(*) FROM t", "2"),
            Integrity("holds", "SELECT count(*) FROM t", "1"),
            Integrity("null", "SELECT NULL", "0"),
            Integrity("no row", "SELECT v FROM t WHERE v = 9", "0"),
        ]
        answers = harness.inspection.check_integrity(checks, LIMIT_MS)
        assert [(answer.name, answer.passed) for answer in answers] == [
            ("nowhere", False),
            ("differs", False),
            ("holds", True),
            ("null", False),
            ("no row", False),
        ]
        assert answers[1] == IntegrityAnswer("differs", False, "expected '2', got '1'")  # noqa: FBT003 - as it is read
        assert all(answer.why for answer in answers if not answer.passed)

    def test_a_question_counts_bad_and_all(self, harness: DatabaseHarness) -> None:
        """Two integers, of whichever type."""
        harness.execute("CREATE TABLE t (v INTEGER)", "INSERT INTO t VALUES (1), (0), (0)")
        assert harness.inspection.ask("SELECT sum(v), count(*) FROM t", LIMIT_MS) == Share(1, 3)
        assert harness.inspection.ask("SELECT 0, 0", LIMIT_MS) == Share(0, 0)

    @pytest.mark.parametrize(
        "sql",
        [
            "SELECT 1",
            "SELECT 1, 2, 3",
            "SELECT NULL, 1",
            "SELECT 1, NULL",
            "SELECT -1, 1",
            "SELECT 2, 1",
            "SELECT 0.5, 1",
            "SELECT 'x', 1",
            "SELECT 1, 2 UNION ALL SELECT 1, 3",
            "SELECT v, v FROM kept WHERE v = 9",
            "SELECT v, v FROM nowhere",
            "SELECT 1, 2; DELETE FROM kept",
            "DELETE FROM kept",
            "COMMIT",
            "",
        ],
    )
    def test_a_question_of_another_shape_is_refused_and_changes_nothing(
        self, harness: DatabaseHarness, sql: str
    ) -> None:
        """Anything but one row of two counts is no answer."""
        harness.execute("CREATE TABLE kept (v INTEGER)", "INSERT INTO kept VALUES (1)")
        with pytest.raises(Refused) as refusal:
            harness.inspection.ask(sql, LIMIT_MS)
        assert refusal.value.code == "question-invalid"
        assert harness.inspection.ask("SELECT 0, count(*) FROM kept", LIMIT_MS) == Share(0, 1)

    def test_a_late_answer_is_no_answer(self, harness: DatabaseHarness) -> None:
        """And the next question is answered again."""
        with pytest.raises(Unavailable) as fault:
            harness.inspection.ask(harness.never_ending(), 200)
        assert fault.value.code == "database-slow"
        assert harness.inspection.ask("SELECT 1, 2", LIMIT_MS) == Share(1, 2)

    def test_without_a_server_everything_is_unavailable_until_it_is_back(
        self, harness: DatabaseHarness
    ) -> None:
        """A fault, never another exception; nobody has to make a new adapter."""
        harness.inspection.ask("SELECT 1, 2", LIMIT_MS)
        calls: list[Callable[[], object]] = [
            lambda: harness.inspection.ask("SELECT 1, 2", LIMIT_MS),
            lambda: harness.inspection.read_database(LIMIT_MS),
            lambda: harness.inspection.check_integrity([Integrity("n", "SELECT 1", "1")], LIMIT_MS),
            lambda: harness.backup.take_backup(harness.directory / "backups", threading.Event()),
            lambda: harness.migration.migrate(harness.migrating("SELECT 1"), threading.Event()),
        ]
        harness.stop_server()
        try:
            codes = [_code(call) for call in calls]
        finally:
            harness.start_server()
        assert codes == ["database-unreachable"] * len(calls)
        assert harness.inspection.ask("SELECT 1, 2", LIMIT_MS) == Share(1, 2)


def _code(call: Callable[[], object]) -> str:
    with pytest.raises(PortFault) as fault:
        call()
    return fault.value.code
