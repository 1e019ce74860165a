"""The checks of a launch or a plan as they stand now, and asking them from this process."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tminus.adapters.check.ask import ask_once
from tminus.adapters.clock.system_clock import SystemClock
from tminus.adapters.secrets.reference_secrets import ReferenceSecrets
from tminus.domain.launch.command import StartJob
from tminus.domain.launch.job import is_check
from tminus.domain.launch.phase import Phase
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.checklist import CheckItem, Checks
from tminus.domain.plan.plan import Plan
from tminus.domain.problem import Problem, ProblemError
from tminus.domain.readiness.checked import CheckAnswered, Readiness, proof_of
from tminus.domain.readiness.gate import ItemVerdict, judge_items
from tminus.engine.decide.launch.checking import look_at_checks
from tminus.engine.drive import fold_launch
from tminus.engine.observe import job_name, read_checked
from tminus.plan.scalar import nearest
from tminus.plugins import Place, questions
from tminus.ports.fault import PortFault
from tminus.ports.journal import LaunchRow
from tminus.ports.probes import Target
from tminus.wiring import Home


@dataclass(frozen=True, slots=True)
class Readied:
    """The checks of a launch at one moment.

    Attributes:
        state: of the launch.
        at_ms: the moment: now, or when the gate opened where the launch is past it.
        verdicts: on all items, in the order of the plan.
    """

    state: LaunchState
    at_ms: int
    verdicts: tuple[ItemVerdict, ...]


def look_at_launch(home: Home, row: LaunchRow) -> Readied:
    """Reads the journal and the newest answers of the job that asks; changes nothing.

    Raises:
        ProblemError: `no-checks`.
        PortFault: the journal cannot be read.
    """
    state, _ = fold_launch(home.store.journal, home.store.shelf, row.launch)
    past_ms = state.readiness.opened_ms if state.phase is not Phase.COUNTDOWN else None
    at_ms = SystemClock().now_ms() if past_ms is None else past_ms
    look = look_at_checks(state, _answers(home, row, state) if past_ms is None else {}, at_ms)
    if look is None:
        raise ProblemError(no_checks(row.launch))
    return Readied(state, at_ms, look.verdicts)


def no_checks(where: str) -> Problem:
    """For a plan without checks."""
    why = "nothing is asked of a plan that does not say so"
    return Problem(
        "no-checks", "there are no checks", where, why, "write `checks: handbook` into launch.yaml"
    )


def _answers(home: Home, row: LaunchRow, state: LaunchState) -> Mapping[str, CheckAnswered]:
    """Those of the job, as far as they can be read; what the journal has counts without them."""
    started = (entry.command for entry in state.commands.values())
    keys = [each.key for each in started if isinstance(each, StartJob) and is_check(each.key)]
    names = {job_name(row.launch, key): key for key in keys}
    if not names:
        return {}
    try:
        found = home.jobs.read_jobs(names)
    except PortFault:
        return {}
    return read_checked({names[name]: reading for name, reading in found.items()})


def ask_now(
    home: Home, plan: Plan, items: Sequence[CheckItem], state: LaunchState | None, directory: Path
) -> tuple[CheckAnswered, ...]:
    """Asks from this process, once, whatever of the items a machine can answer.

    Args:
        home: in which backups lie, and what serves now is looked for.
        plan: whose items they are.
        items: which of them.
        state: of the launch; None before there is one.
        directory: of the plan: relative paths, and files and commands of secrets, start there.
    """
    home.make()
    scratch = home.root / "jobs"
    scratch.mkdir(mode=0o700, exist_ok=True)
    secrets = ReferenceSecrets(home.environment, directory)
    target = Target(
        service=plan.service,
        environment=plan.environment,
        version=plan.version,
        tag=plan.source.tag,
        commit="" if state is None else state.commit,
        digest="" if state is None else state.artifact or "",
        url=f"http://{plan.listen.host}:{plan.listen.port}",
        instances=_serving(home, plan),
    )
    repository = (directory / plan.source.repository).absolute()
    place = Place(target, repository, home.backups(plan.service, plan.environment), scratch)
    return ask_once(questions(items, place, secrets.resolve))


def _serving(home: Home, plan: Plan) -> tuple[str, ...]:
    """Addresses of the instances that serve; empty where nothing does, or nobody can tell."""
    try:
        slots = home.runtime(plan.service, plan.environment, revives=False).read_slots()
        router = home.router(plan.service, plan.environment, revives=False).read_router()
    except PortFault:
        return ()
    live = router.route.live
    return () if live is None or live not in slots else tuple(each.address for each in slots[live].instances)


def judged_now(
    checks: Checks, items: Iterable[CheckItem], found: Iterable[CheckAnswered], kept: tuple[ItemVerdict, ...]
) -> tuple[ItemVerdict, ...]:
    """The verdicts on some items with fresh answers; what a launch knows of the others stays."""
    wanted = {item.item for item in items}
    fresh = {answer.item: proof_of(answer) for answer in found}
    known = {verdict.item.item: verdict for verdict in kept}
    now_ms = SystemClock().now_ms()
    proofs = {
        name: proof
        for name in wanted
        if (proof := fresh.get(name) or (known[name].proof if name in known else None)) is not None
    }
    excuses = {name: each.excused for name, each in known.items() if each.excused is not None}
    verdicts = judge_items(checks, Readiness(proofs=proofs, excuses=excuses), now_ms)
    return tuple(verdict for verdict in verdicts if verdict.item.item in wanted)


def chosen(checks: Checks, names: Sequence[str]) -> tuple[CheckItem, ...]:
    """The items of those ids, all of them without any.

    Raises:
        ProblemError: `no-such-check`, for each that there is not.
    """
    known = {item.item: item for item in checks.items}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ProblemError(*(_no_such_check(name, known) for name in unknown))
    return tuple(known[name] for name in names) if names else checks.items


def _no_such_check(name: str, known: Mapping[str, CheckItem]) -> Problem:
    meant = nearest(name, known)
    fix = f"did you mean {meant}?" if meant else "`tminus check` without an item names them all"
    return Problem("no-such-check", f"there is no check {name!r} in this plan", "", "", fix)
