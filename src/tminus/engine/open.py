"""Enters a launch: what serves now, what is asked for, and every reason not to begin, all at once."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tminus.domain.launch import event as ev
from tminus.domain.launch.slot import Slot
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.adoption import adoption_problems
from tminus.domain.plan.metric import MetricDefinition, ReportSource
from tminus.domain.plan.plan import Plan, Run
from tminus.domain.plan.request import Request as SmokeRequest
from tminus.domain.plan.times import format_utc
from tminus.domain.problem import Problem, ProblemError
from tminus.domain.readiness.signing import PolicyOffer
from tminus.domain.watch.probe import secrets_of
from tminus.engine.decide.launch.contract import owed_contract
from tminus.engine.decide.launch.work import OWED, failure_of, smoke_requests
from tminus.engine.drive import fold_launch
from tminus.engine.policy import adoptions, known_policy, policy_problems
from tminus.ports.artifacts import Releases
from tminus.ports.fault import PortFault, Refused
from tminus.ports.journal import Draft, Journal, LaunchBook, LaunchRow, Shelf
from tminus.ports.secrets import Secrets
from tminus.ports.signatures import Signatures

_SHOWN_PATHS = 5  # of a dirty tree: enough to recognise it


@dataclass(frozen=True, slots=True)
class Serving:
    """What serves in an environment, told by the launches before.

    `generation` and `fence` are the last ones any of them used; `run` is how the slot is started again, None
    where it was adopted; `smoke` is its own suite; `owed` is a contract migration that nobody has run.
    """

    slot: Slot | None = None
    digest: str | None = None
    version: str | None = None
    generation: int = 0
    fence: int = 0
    run: Run | None = None
    smoke: tuple[SmokeRequest, ...] = ()
    owed: ev.OwedContract | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A launch that is asked for.

    Attributes:
        plan: with `source.repository` as an absolute path.
        plan_digest: of the plan as it was written.
        by: principal id of whoever asks.
        at_ms: now.
        allow_dirty_tree: launch although the repository has uncommitted changes, which are not launched.
        left_ms: when tminus was last taken away from the service, None where it never was.
        stopped: everything of it was ended then, instead of left running.
        policy: of the poll, as the plan names it; None where the plan has none.
    """

    plan: Plan
    plan_digest: str
    by: str
    at_ms: int
    allow_dirty_tree: bool = False
    left_ms: int | None = None
    stopped: bool = False
    policy: PolicyOffer | None = None


def serving_now(
    journal: Journal, shelf: Shelf, rows: Sequence[LaunchRow], left_ms: int | None = None
) -> Serving:
    """What serves after these launches of one service and environment, oldest first.

    What tminus was taken away from at `left_ms` is no slot any more; a later launch makes its own.

    Raises:
        PortFault: the journal does not answer or is corrupt.
    """
    if not rows:
        return Serving()
    state, _ = fold_launch(journal, shelf, rows[-1].launch)
    if left_ms is not None and left_ms >= rows[-1].opened_ms:
        return Serving(generation=state.generation, fence=state.fence)
    # What was owed is owed still, unless this launch has run it before it ended.
    paid = OWED in state.jobs and not failure_of(state.jobs[OWED])
    unpaid = None if paid else state.owed
    if state.ended_well:
        return Serving(
            slot=state.candidate,
            digest=state.artifact,
            version=state.plan.version,
            generation=state.generation,
            fence=state.fence,
            run=None if state.plan.adopt else state.plan.run,
            smoke=smoke_requests(state.plan),
            owed=owed_contract(state) or unpaid,
        )
    return Serving(
        slot=state.stable,
        digest=state.stable_digest,
        version=state.stable_version,
        generation=state.generation,
        fence=state.fence,
        run=state.stable_run,
        smoke=state.stable_smoke,
        owed=unpaid,
    )


def open_launch(
    request: Request,
    journal: Journal,
    shelf: Shelf,
    book: LaunchBook,
    releases: Releases,
    secrets: Secrets,
    signatures: Signatures | None = None,
) -> LaunchRow:
    """Enters the launch in the book, or says everything that stands against it.

    Raises:
        ProblemError: one or more of `launch-running`, `plan-edited`, `tag-missing`, `tag-not-annotated`,
            `tag-elsewhere`, `commit-missing`, `branch-missing`, `commit-not-on-branch`, `dirty-tree`,
            `secret-missing`, `in-freeze`, `window-closed`, `service-left`, `adopt-has-stable`,
            `adopt-bad-address`, `adopt-same-address`, `policy-missing`, `policy-not-signed`,
            `policy-from-elsewhere`.
        PortFault: the journal does not answer.
    """
    plan = request.plan
    rows = book.launches(plan.service, plan.environment)
    running = [row for row in rows if row.open]
    if running:
        raise ProblemError(_already(request, fold_launch(journal, shelf, running[-1].launch)[0], running[-1]))
    serving = serving_now(journal, shelf, rows, request.left_ms)
    commit, problems = _release_problems(request, releases)
    problems += [*_secret_problems(plan, secrets), *_window_problems(request)]
    problems += [*_adoption_problems(plan, serving), *_left_problems(request, serving)]
    known = known_policy(journal, shelf, rows) if plan.polling is not None else None
    problems += policy_problems(plan, request.policy, known, signatures)
    if problems:
        raise ProblemError(*problems)
    row = LaunchRow(_name(request, rows), plan.service, plan.environment, request.at_ms, open=True)
    adopted = () if request.policy is None else adoptions(request.policy, known, request.by, row.launch)
    events = [_planned(request, commit, serving), *adopted]
    try:
        book.open_launch(row, [_draft(event, request.at_ms) for event in events])
    except Refused as fault:
        raise ProblemError(
            Problem(fault.code, fault.why, plan.service, "one launch at a time", f"tminus log {plan.service}")
        ) from fault
    return row


def _draft(event: ev.Event, at_ms: int) -> Draft:
    kind, version, body = ev.encode(event)
    return Draft(kind, version, at_ms, body)


def _planned(request: Request, commit: str, serving: Serving) -> ev.LaunchPlanned:
    return ev.LaunchPlanned(
        plan=request.plan,
        plan_digest=request.plan_digest,
        commit=commit,
        by=request.by,
        candidate=Slot.BLUE if serving.slot is None else serving.slot.other,
        stable=serving.slot,
        stable_digest=serving.digest,
        stable_version=serving.version,
        generation=serving.generation,
        fence=serving.fence,
        stable_run=serving.run,
        stable_smoke=serving.smoke,
        owed=serving.owed,
    )


def _name(request: Request, rows: Sequence[LaunchRow]) -> str:
    base = f"{request.plan.service}-{request.plan.version}"
    taken = {row.launch for row in rows}
    names = (base if number == 1 else f"{base}-{number}" for number in range(1, len(rows) + 2))
    return next(name for name in names if name not in taken)


def _already(request: Request, state: LaunchState, row: LaunchRow) -> Problem:
    plan = request.plan
    same_release = state.plan.version == plan.version
    if same_release and state.plan_digest != request.plan_digest:
        return Problem(
            "plan-edited",
            f"the plan of {row.launch} was edited while that launch is {state.phase.value}",
            plan.service,
            "a launch runs with the plan it was entered with; nothing of the edit takes effect",
            "undo the edit, use `tminus hold` or `tminus slip`, or abort and launch again",
        )
    return Problem(
        "launch-running",
        f"{row.launch} is {state.phase.value} since {format_utc(state.entered_ms)}",
        f"{plan.service} in {plan.environment}",
        "one launch of a service and environment at a time",
        f"tminus log {row.launch} --follow, or tminus abort {row.launch}",
    )


def _release_problems(request: Request, releases: Releases) -> tuple[str, list[Problem]]:
    plan = request.plan
    if plan.adopt:
        return "", []
    where = f"{plan.source.tag} of {plan.source.repository}"
    problems: list[Problem] = []
    commit = ""
    try:
        commit, problems = _tagged(plan, releases, where)
        dirty = () if request.allow_dirty_tree else releases.dirty_paths()
        if dirty:
            problems.append(_dirty(plan, dirty))
    except PortFault as fault:
        problems.append(Problem(fault.code, fault.why, where, "", _release_fix(plan, fault.code)))
    return commit, problems


def _tagged(plan: Plan, releases: Releases, where: str) -> tuple[str, list[Problem]]:
    """The commit that is launched: of the tag, else the one that the build will tag."""
    source = plan.source
    try:
        tag = releases.read_tag(source.tag)
    except Refused:
        if not source.makes_tag:
            raise
        return releases.find_commit(source.commit, source.branch), []
    problems = []
    if not tag.annotated:
        problems.append(
            Problem(
                "tag-not-annotated",
                f"{source.tag} is a lightweight tag",
                where,
                "an annotated tag says who released what and when",
                f'git tag --annotate --force {source.tag} --message "{plan.service} {plan.version}"',
            )
        )
    wanted = releases.find_commit(source.commit or tag.commit, source.branch)
    if wanted != tag.commit:
        problems.append(
            Problem(
                "tag-elsewhere",
                f"{source.tag} names commit {tag.commit[:12]}, and the plan {wanted[:12]}",
                where,
                "a tag that is there is never moved: somebody may have released it",
                "plan another version, or the commit that the tag names",
            )
        )
    return tag.commit, problems


def _release_fix(plan: Plan, code: str) -> str:
    fixes = {
        "tag-missing": f'git tag --annotate {plan.source.tag} --message "{plan.service} {plan.version}", '
        "or name `source.branch` in launch.yaml: then tminus tags its newest commit",
        "commit-not-on-branch": "merge it, or tag a commit that is on the branch, under another version",
        "commit-missing": "name a commit of this repository as `source.commit`",
        "branch-missing": "name a branch of this repository as `source.branch`",
    }
    return fixes.get(code, "")


def _dirty(plan: Plan, dirty: Sequence[str]) -> Problem:
    shown = ", ".join(dirty[:_SHOWN_PATHS]) + (" …" if len(dirty) > _SHOWN_PATHS else "")
    return Problem(
        "dirty-tree",
        f"{len(dirty)} uncommitted path{'s' if len(dirty) > 1 else ''}: {shown}",
        str(Path(plan.source.repository)),
        "what is not committed is not launched, and the plan must be the one that was reviewed",
        "commit or stash them, or launch with --allow-dirty-tree",
    )


def _secret_problems(plan: Plan, secrets: Secrets) -> list[Problem]:
    # What is adopted is not started, but it is measured.
    run = () if plan.adopt else plan.run.secrets
    wanted = [(f"run.secrets.{name}", ref) for name, ref in run]
    wanted += [(f"metrics.{each.name}", ref) for each in plan.metrics for ref in secrets_of(each.source)]
    problems = []
    for where, ref in wanted:
        try:
            secrets.resolve(ref)
        except PortFault as fault:
            fix = f"provide {ref.text()} and launch again"
            problems.append(Problem(fault.code, fault.why, where, "", fix))
    return problems


def _adoption_problems(plan: Plan, serving: Serving) -> list[Problem]:
    problems = adoption_problems(plan)
    if plan.adopt and serving.slot is not None:
        problems.append(
            Problem(
                "adopt-has-stable",
                f"{serving.version} serves from {serving.slot.value} already",
                f"{plan.service} in {plan.environment}",
                "a service is adopted once, before its first launch",
                "run `tminus launch` for a new version",
            )
        )
    return problems


def _left_problems(request: Request, serving: Serving) -> list[Problem]:
    """An ordinary launch would put a second service beside the one that was left running."""
    plan, left_ms = request.plan, request.left_ms
    if plan.adopt or left_ms is None or request.stopped or serving.slot is not None:
        return []
    return [
        Problem(
            "service-left",
            f"tminus was taken away from {plan.service} at {format_utc(left_ms)}",
            f"{plan.service} in {plan.environment}",
            "its instances and its router run on by themselves, and are not known any more",
            "run `tminus adopt` with their addresses to take it back; to begin anew, stop them and remove "
            f"services/{plan.service}-{plan.environment}.left from the state directory",
        )
    ]


def _window_problems(request: Request) -> list[Problem]:
    plan = request.plan
    problems = []
    # A launch that begins later is entered and built in a freeze as at any other time.
    freeze = plan.freeze_at(request.at_ms) if plan.t0_ms is None else None
    if freeze is not None:
        until = format_utc(freeze.closes_ms)
        problems.append(
            Problem(
                "in-freeze",
                f"nothing is launched until {until}: {freeze.why}",
                plan.service,
                "a launch inside a freeze is refused",
                "set `t0` to a time after the freeze, or have `freezes` in launch.yaml changed",
            )
        )
    return [*problems, *_closed_window(request)]


def _closed_window(request: Request) -> list[Problem]:
    window = request.plan.window
    if window is None or request.at_ms < window.closes_ms:
        return []
    return [
        Problem(
            "window-closed",
            f"the deployment window closed at {format_utc(window.closes_ms)}",
            request.plan.service,
            "a launch outside its window is refused",
            "set `window` and `t0` in launch.yaml",
        )
    ]


def with_repository(plan: Plan, directory: Path) -> Plan:
    """The plan with its repository and reports as absolute paths, `directory` being that of its file."""
    repository = (directory / plan.source.repository).absolute().resolve()
    metrics = tuple(_with_report(metric, directory) for metric in plan.metrics)
    return replace(plan, source=replace(plan.source, repository=str(repository)), metrics=metrics)


def _with_report(metric: MetricDefinition, directory: Path) -> MetricDefinition:
    source = metric.source
    if not isinstance(source, ReportSource) or not source.path:
        return metric
    return replace(metric, source=replace(source, path=str((directory / source.path).absolute())))
