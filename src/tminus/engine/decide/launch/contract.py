"""The contract migration: ordered by a person after the stable slot was retired, the point of no return."""

from tminus.domain.launch.command import StartJob
from tminus.domain.launch.event import JobEnded, OwedContract
from tminus.domain.launch.state import CONTRACT, LaunchState
from tminus.engine.decide.launch.work import failure_of, migrate_job


def contract_command(state: LaunchState) -> tuple[str, ...]:
    """The plan's contract migration, empty for none."""
    database = state.plan.database
    return () if database is None else database.migrations.contract


def contract_job(state: LaunchState) -> StartJob | None:
    """The job of the newest order that has not ended, None when nothing is to be done."""
    database, artifact = state.plan.database, state.artifact
    if not state.contracts or database is None or artifact is None or _ended(state) is not None:
        return None
    return migrate_job(state, database, _key(state), database.migrations.contract, artifact)


def contract_failed(state: LaunchState) -> bool:
    """Whether the newest order ended in failure, so that it may be ordered again."""
    ended = _ended(state)
    return ended is not None and bool(failure_of(ended))


def owed_contract(state: LaunchState) -> OwedContract | None:
    """What the next launch has to run first: a contract migration that nobody has run."""
    command = contract_command(state)
    if not command or state.artifact is None or (_ended(state) is not None and not contract_failed(state)):
        return None
    return OwedContract(command, state.artifact)


def _ended(state: LaunchState) -> JobEnded | None:
    return state.jobs.get(_key(state))


def _key(state: LaunchState) -> str:
    return f"{CONTRACT}-{state.contracts}"
