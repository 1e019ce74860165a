"""Where stories are told: a stand with the sample service and its database, on one runtime and router."""

import contextlib
import http.client
import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import psycopg

from tminus.domain.launch.slot import Slot
from tminus.testing.postgres import Postgres
from tminus.testing.sample import laid_over
from tminus.testing.stand import Stand
from tminus.testing.stories.shop import MENDING, SOUND, Shop, Users
from tminus.testing.traffic import LOCAL

DATABASE = "shop"
END_LIMIT_S = 120.0
"""Longest story after its turning point: it takes ten seconds, and a busy machine takes its time."""

CALM: Mapping[str, Any] = {
    "run": {"instances": 2, "boot": "60s", "stop": "10s"},
    "shift": {"steps": [50, 100], "each": "500ms", "deadline": "60s"},
    "verify": {
        "for": "1s",
        "reading": "500ms",
        "targets": [{"error_rate": "5 %", "over": "1s", "min_requests": 20}],
    },
    "bake": {"for": "1s", "reading": "500ms"},
    "watch": {"for": "1s", "reading": "500ms"},
    # How fast this machine answers is no part of a story, and it may have much else to do.
    "lease": {"shift": "8s", "bake": "60s"},
    "triggers": [
        {"error_rate": "15 %", "over": "3s", "min_requests": 20, "then": "rollback"},
        {"p95": "8s", "over": "3s", "min_requests": 20, "then": "rollback"},
        {
            "question": {"declined": "8 %"},
            "min_requests": 20,
            "then": "rollback",
            "name": "declined payments",
        },
    ],
    "meter": "off",
    "warm": None,
    "drain": "20s",
}
"""Laid over the sample's plan: short phases, and limits that a slow moment does not break."""

METERED = {
    "meter": {"get": "/healthz", "post": "/payments/process", "body": '{"amount": "1.00"}', "rate": "30/s"}
}


@dataclass(frozen=True, slots=True)
class Platform:
    """A runtime and a router that stories are told on.

    Attributes:
        runtime: its name.
        router: its name.
        plan: laid over every plan, to ask for the two.
        strangers: processes, containers and the like that belong to a stand and should not be there once its
            launch has ended, given the slot that serves; as sentences.
    """

    runtime: str
    router: str
    strangers: Callable[[Stand, Slot], list[str]]
    plan: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """As stories name it."""
        return f"{self.runtime}-{self.router}"


class Stage:
    """A stand whose stable release works, and the database under it.

    Args:
        stand: of a `Shop`, on which nothing was launched yet.
        server: that holds the service's database.
        platform: see `Platform`.
    """

    def __init__(self, stand: Stand, server: Postgres, platform: Platform) -> None:
        """Starts nothing."""
        assert isinstance(stand.sample, Shop)
        self.stand = stand
        self.shop: Shop = stand.sample
        self.server = server
        self.platform = platform
        self.open_sessions = ExitStack()
        self._versions = (f"2.0.{number}" for number in itertools.count(1))

    @property
    def url(self) -> str:
        """Of the database."""
        return self.server.url(DATABASE)

    def open(self) -> None:
        """Has a first release serve, on the schema that every story begins with."""
        self.shop.first("2.0.0", {"shift": "at-once", **self.platform.plan})
        self.stand.start_agent()
        launch = self.stand.enter().launch
        self.stand.wait(lambda: self.stand.reading().route.live is not None, "a service that answers", 60)
        with self.users("first"):
            state = self.stand.wait_end(launch, END_LIMIT_S)
        self.stand.end_agents()
        assert state.outcome == "promoted", state.phase_why

    def release(self, plan: Mapping[str, Any], overlay: str = SOUND) -> str:
        """Makes the next release, and returns its version."""
        version = next(self._versions)
        self.shop.release(version, laid_over(dict(self.platform.plan), plan), overlay)
        return version

    @contextlib.contextmanager
    def users(self, run: str) -> Iterator[Users]:
        """Users until the block ends."""
        users = self.shop.users(self.stand.url, run)
        self.stand.remember(users.process)
        try:
            yield users
        finally:
            users.end()

    # The database.

    def execute(self, *statements: str) -> None:
        """Runs statements, each in a transaction of its own."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What a query about the whole cluster answers."""
        with psycopg.connect(self.server.url(), autocommit=True) as connection:
            return connection.execute(sql.encode()).fetchall()

    def ask(self, sql: str) -> list[tuple[Any, ...]]:
        """What a query about the service's database answers."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(sql.encode()).fetchall()

    def keep_session(self, *statements: str) -> psycopg.Connection[Any]:
        """Another session, with a transaction that stays open until the story ends or it is closed."""
        connection = self.open_sessions.enter_context(psycopg.connect(self.url))
        for statement in statements:
            connection.execute(statement.encode())
        return connection

    def mend(self) -> None:
        """Starts the database where it does not run, and brings the schema back to where stories begin."""
        self.open_sessions.close()
        self.server.start()
        self.execute(*MENDING)

    # What users get.

    def status(self, path: str, method: str = "GET", body: str = "") -> int:
        """Status that the router's clients get, 0 for no answer."""
        connection = http.client.HTTPConnection(LOCAL, self.stand.port, timeout=10)
        try:
            connection.request(method, path, body or None)
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            return 0
        else:
            return answer.status
        finally:
            connection.close()

    def serves_payments(self) -> bool:
        """Whether a guest can pay."""
        return self.status("/payments/process", "POST", '{"amount": "1.00"}') == http.client.OK

    def wait_payments(self) -> None:
        """Returns once a guest can pay."""
        self.stand.wait(self.serves_payments, "a payment that is taken", END_LIMIT_S)
