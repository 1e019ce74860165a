"""A home whose service serves with a database, so that its schedule can be run: alone, or by a real agent."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg

from tests.integration.database import LIMIT_S, until
from tests.unit.engine.launches import a_plan
from tminus.adapters.clock.system_clock import SystemClock
from tminus.adapters.jobs.identity import kill_marked
from tminus.adapters.jobs.record import JobRecord
from tminus.domain.launch import event as ev
from tminus.domain.launch.phase import Phase
from tminus.domain.launch.slot import Slot
from tminus.domain.plan.database import Backups, Database
from tminus.domain.plan.plan import Plan
from tminus.domain.plan.secret import parse_secret_ref
from tminus.domain.readiness.upkeep import Note, Work, decode_note
from tminus.engine.upkeep import Upkeep
from tminus.ports.journal import Draft, LaunchRow
from tminus.testing import postgres
from tminus.testing.postgres import Postgres
from tminus.testing.traffic import processes_of
from tminus.wiring import open_home

SERVICE, ENVIRONMENT = "shop", "production"


class Shop:
    """A service whose first launch was promoted, as its journal says; of it only the database runs."""

    def __init__(self, server: Postgres, url: str, directory: Path, schedule: Backups) -> None:
        self.server = server
        self.url = url
        self.directory = directory
        environment = {**os.environ, "SHOP_DATABASE": url, "TMINUS_HOME": str(directory / "home")}
        self.home = open_home(directory / "home", environment)
        database = Database(parse_secret_ref("env:SHOP_DATABASE"), backups=schedule)
        self.plan: Plan = replace(a_plan(database=database), environment=ENVIRONMENT)
        self.launch("shop-1.0.0", open_still=False, t0_ms=None)
        self.tell("shop-1.0.0", ev.Promoted(Slot.BLUE), ev.PhaseEntered(Phase.CLOSED, ""))
        self.backups = self.home.backups(SERVICE, ENVIRONMENT)
        self.upkeep = self.new_upkeep()
        self._agent: subprocess.Popen[bytes] | None = None

    # Launches, told by their events alone.

    def launch(self, name: str, *, open_still: bool = True, t0_ms: int | None = None) -> None:
        planned = ev.LaunchPlanned(
            plan=replace(self.plan, t0_ms=t0_ms),
            plan_digest="sha256:plan",
            commit="c0ffee",
            by="ann",
            candidate=Slot.BLUE,
            stable=None,
            stable_digest=None,
            stable_version=None,
            generation=0,
            fence=0,
        )
        row = LaunchRow(name, SERVICE, ENVIRONMENT, self.now_ms(), open=open_still)
        self.home.store.book.open_launch(row, [self._draft(planned)])

    def tell(self, name: str, *events: ev.Event) -> None:
        journal = self.home.store.journal
        journal.append(name, 0, journal.head(name).seq, [self._draft(event) for event in events])

    def end(self, name: str) -> None:
        self.tell(name, ev.PhaseEntered(Phase.SCRUBBED, ""), ev.LaunchEnded("scrubbed", ""))
        self.home.store.book.close_launch(name, 0)

    def _draft(self, event: ev.Event) -> Draft:
        kind, version, body = ev.encode(event)
        return Draft(kind, version, self.now_ms(), body)

    # The schedule, looked at from within this process.

    def new_upkeep(self) -> Upkeep:
        """As a new agent has it: it knows only what the book says."""
        return Upkeep(self.home.upkeep(SERVICE, ENVIRONMENT), SERVICE, ENVIRONMENT)

    def now_ms(self) -> int:
        return SystemClock().now_ms()

    def look(self, ahead_ms: int = 0) -> list[Note]:
        return list(self.upkeep.look(self.now_ms() + ahead_ms))

    def look_until(self, kind: type[Note], work: Work | None = None, ahead_ms: int = 0) -> Any:  # noqa: ANN401 - of `kind`
        """The first note of that kind, and of that work, from now on."""
        found: list[Note] = []

        def seen() -> bool:
            fresh = self.look(ahead_ms)
            found.extend(
                note
                for note in fresh
                if isinstance(note, kind) and work in (None, getattr(note, "work", None))
            )
            return bool(found)

        until(seen)
        return found[0]

    def settle(self) -> None:
        """Until nothing is due or runs."""
        until(lambda: not self.jobs_running() and not self.look())

    def notes(self) -> list[Note]:
        entries = self.home.store.upkeep.notes(SERVICE, ENVIRONMENT)
        return [decode_note(entry.kind, entry.body) for entry in entries]

    # The agent, the verb, and what is to be seen from outside.

    def start_agent(self) -> None:
        with (self.directory / "agent.log").open("ab") as log:
            self._agent = subprocess.Popen(
                [sys.executable, "-m", "tminus.cli.main", "agent"],
                env=dict(self.home.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def end_agent(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self._agent is not None:
            self._agent.send_signal(number)
            self._agent.wait(LIMIT_S)
            self._agent = None

    def show(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "tminus.cli.main", "backups", SERVICE, *arguments],
            env=dict(self.home.environment),
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def json(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.show("--json"))
        return body

    def execute(self, *statements: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def sessions(self) -> int:
        """Of tminus, on this database or a scratch database of it."""
        with psycopg.connect(self.server.url(), autocommit=True) as connection:
            query = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'tminus%'"
            row = connection.execute(query).fetchone()
        assert row is not None
        return int(row[0])

    def job_folders(self) -> list[Path]:
        return sorted((self.home.root / "jobs").glob("*/"))

    def jobs_running(self) -> bool:
        return any("runner" in command for command in processes_of(self.directory).values())

    def dumps(self) -> list[str]:
        return sorted(path.name for path in self.backups.glob("*.dump"))

    def close(self) -> None:
        self.end_agent()
        for folder in self.job_folders():
            kill_marked(JobRecord(folder).mark)
        self.home.close()


@contextlib.contextmanager
def a_shop(server: Postgres, directory: Path, schedule: Backups) -> Iterator[Shop]:
    """A shop on a new database with a table, and its end."""
    server.start(postgres.BRISK)
    name = f"s_{directory.parent.name}_{directory.name}"[-60:].replace("-", "_")
    shop = Shop(server, server.create_database(name), directory, schedule)
    shop.execute("CREATE TABLE t (v int)", "INSERT INTO t SELECT generate_series(1, 1000)")
    try:
        yield shop
    finally:
        shop.close()
        server.start(postgres.BRISK)
        server.drop_database(name)
