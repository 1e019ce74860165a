"""`database` of launch.yaml: migrations, backups, integrity, questions. Must not name one database's ways."""

from typing import Annotated

from pydantic import Field

from tminus.domain.plan.database import Backups, Migrations, Question
from tminus.plan.kinds import ClassName, Duration, OptionalDuration, Secret, Sql, StepLine, Words
from tminus.plan.section import HANDBOOK, TMINUS, Section, default_of, given, usual


class MigrationsSection(Section):
    """The team's own migration commands: the stable version must live with what `expand` leaves."""

    expand: StepLine = usual(
        default_of(Migrations, "expand"),
        TMINUS,
        "run in the artifact at T-0, before the candidate starts",
        shown="nothing to run",
        examples=["alembic upgrade expand@head"],
    )
    contract: StepLine = usual(
        default_of(Migrations, "contract"),
        TMINUS,
        "removes what only the earlier version needs: the point of no return, run when ordered",
        shown="nothing to run",
        examples=["alembic upgrade contract@head"],
    )
    deadline: Duration = usual(
        default_of(Migrations, "deadline_ms"),
        TMINUS,
        "a command is ended after this time and counts as failed",
    )
    lock_timeout: Duration = usual(
        default_of(Migrations, "lock_timeout_ms"), TMINUS, "a statement waits no longer than this for a lock"
    )


class BackupsSection(Section):
    """When backups are taken and how they are proven."""

    every: Duration = usual(default_of(Backups, "every_ms"), HANDBOOK, "time between two scheduled backups")
    keep: Duration = usual(
        default_of(Backups, "keep_ms"),
        HANDBOOK,
        "older ones are removed, the newest that was restored successfully never",
    )
    restore_test: Duration = usual(
        default_of(Backups, "restore_every_ms"), HANDBOOK, "time between two scheduled restore tests"
    )
    deadline: Duration = usual(
        default_of(Backups, "deadline_ms"), TMINUS, "a backup or restore is ended after this time"
    )
    oldest: Duration = usual(
        default_of(Backups, "oldest_ms"),
        HANDBOOK,
        "a launch needs a verified backup not older than this before it migrates",
    )
    rpo: OptionalDuration = given(
        "how much may be lost at most; where that is less than `every`, base backups replace dumps, and the "
        "write-ahead log is archived between them",
        default=None,
        examples=["1m"],
    )


class IntegritySection(Section):
    """A query that must hold after traffic moved: its first value is compared as text."""

    name: Words = given("shown in the log; no two queries share one", examples=["balances add up"])
    sql: Sql = given("one statement", examples=["select count(*) from accounts where balance < 0"])
    expect: Words = given("the value that it must answer", examples=["0"])


class QuestionSection(Section):
    """Business truth that no router sees: a query that counts bad and all cases."""

    sql: Sql = given(
        "one statement that answers two whole numbers, bad and all cases of the recent past; `{version}` and "
        "`{slot}` become the candidate's",
        examples=[
            "select count(*) filter (where declined), count(*) from payments where version = '{version}'"
        ],
    )
    every: Duration = usual(default_of(Question, "every_ms"), TMINUS, "how often it is asked")
    within: Duration = usual(default_of(Question, "limit_ms"), TMINUS, "a slower answer is no answer")


class DatabaseSection(Section):
    """The service's database: backed up and proven before T-0, migrated at T-0, asked afterwards."""

    url: Secret = given(
        "reference to its connection string: env:NAME, file:PATH or command:LINE",
        examples=["env:DATABASE_URL"],
    )
    migrations: MigrationsSection = given("the team's migrations", default_factory=MigrationsSection)
    backups: BackupsSection = given("when backups are taken and proven", default_factory=BackupsSection)
    integrity: Annotated[list[IntegritySection], Field(min_length=1)] | None = given(
        "queries that must hold after traffic moved",
        default=None,
        examples=[[{"name": "balances add up", "sql": "select 0", "expect": "0"}]],
    )
    questions: dict[ClassName, QuestionSection] = given(
        "queries that count bad and all cases, asked while the candidate is on trial and watched; "
        "limits name them",
        default={},
    )
