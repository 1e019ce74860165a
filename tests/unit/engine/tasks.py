"""A plan with everything that is done before a candidate starts, and launches in the middle of it."""

from typing import Any

from tests.unit.engine.launches import (
    CANDIDATE,
    DONE,
    NEW,
    OLD,
    a_plan,
    launch,
    slots_of,
)
from tminus.domain.codec import from_json
from tminus.domain.launch import command as cmd
from tminus.domain.launch.event import JobEnded, OwedContract, StepLate
from tminus.domain.launch.phase import Phase
from tminus.domain.launch.reading import SlotReading
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.database import Database, Migrations
from tminus.domain.plan.plan import OneOff, Run
from tminus.domain.plan.request import Request
from tminus.domain.plan.secret import parse_secret_ref
from tminus.engine.decide.step import Step

MIGRATIONS = Migrations(expand=("migrate", "expand"), contract=("migrate", "contract"))
DATABASE = Database(parse_secret_ref("env:SHOP_DATABASE_URL"), MIGRATIONS)
SEED = OneOff("seed", ("./seed",))
PLAN = a_plan(database=DATABASE, run=Run(("serve",), instances=3, one_offs=(SEED,)))
OWED = OwedContract(("migrate", "contract", "old"), OLD)
PASSED = {"passed": True}
ANSWERS: dict[str, Any] = {"build": {"digest": NEW}, "backup": {"path": "/backups/1.dump"}}
BEFORE_T0 = ["build", "verify-artifact", "resources", "backup", "restore-test"]
AT_T0 = ["owed-contract", "expand", "smoke-stable", "one-off-seed"]


def ended(*keys: str) -> dict[str, JobEnded]:
    """Jobs that have ended well."""
    return {key: JobEnded(key, DONE, ANSWERS.get(key, PASSED), "", "") for key in keys}


def counting(*keys: str, plan: Any = PLAN, **changes: Any) -> LaunchState:  # noqa: ANN401 - fields of LaunchState
    """A countdown in which these jobs have ended well."""
    artifact = NEW if "build" in keys else None
    return launch(Phase.COUNTDOWN, plan=plan, artifact=artifact, jobs=ended(*keys), **changes)


def staging(*keys: str, plan: Any = PLAN, **changes: Any) -> LaunchState:  # noqa: ANN401 - fields of LaunchState
    """A staging in which these jobs have ended well."""
    return launch(Phase.STAGING, plan=plan, jobs=ended(*BEFORE_T0, *keys), **changes)


def without_candidate(state: LaunchState) -> dict[str, Any]:
    return {"slots": {**slots_of(state), CANDIDATE: SlotReading(CANDIDATE)}}


def late(decided: Step) -> list[StepLate]:
    return [event for event in decided.events if isinstance(event, StepLate)]


def jobs_of(decided: Step) -> list[cmd.StartJob]:
    return [entry.command for entry in decided.commands if isinstance(entry.command, cmd.StartJob)]


def paths_of(job: cmd.StartJob) -> list[str]:
    assert isinstance(job.arguments, dict)
    return [request.path for request in from_json(tuple[Request, ...], job.arguments["requests"])]
