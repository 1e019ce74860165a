"""What is allowed in a plan and may still surprise. Must not refuse anything."""

from collections.abc import Iterator

from tminus.domain.plan.plan import Plan
from tminus.domain.plan.timeline import PREPARE_AHEAD_MS, forecast_end_ms, latest_start_ms
from tminus.domain.plan.times import format_duration, format_utc
from tminus.domain.problem import Problem
from tminus.plan.breach import Breach
from tminus.plan.database_rules import CANDIDATE
from tminus.plan.model import LaunchFile
from tminus.plan.scalar import nearest
from tminus.plan.statement import VARIABLE


def notes_on(file: LaunchFile, plan: Plan) -> Iterator[Breach]:
    """Notes, in the order of the plan; shown, never raised."""
    if plan.run.container is None and not any("{port}" in word for word in plan.run.command):
        what = "`run.command` does not hold `{port}`"
        why = "each instance gets a port of its own, in the variable PORT and as `{port}`"
        fix = "write `{port}` where the program takes its port, unless it reads PORT"
        yield Breach(("run", "command"), Problem("plan-port-not-named", what, why=why, fix=fix))
    if file.critical_paths is None:
        what = "no critical path is named, so only the health path is requested"
        fix = "name what users must be able to do under `critical_paths`"
        yield Breach((), Problem("plan-no-critical-paths", what, fix=fix))
    if file.version not in plan.source.tag:
        what = f"the tag {plan.source.tag} does not hold the version {file.version}"
        yield Breach(("source", "tag"), Problem("plan-tag-differs", what, fix="check that this tag is meant"))
    yield from _similar_classes(file)
    yield from _questions(plan)
    yield from _late_start(plan)
    yield from _late_end(plan)
    yield from _frozen_end(plan)


def _questions(plan: Plan) -> Iterator[Breach]:
    limits = plan.limits
    for question in plan.database.questions if plan.database is not None else ():
        path = ("database", "questions", question.name)
        if question.name not in {limit.question for limit in limits}:
            what = f"no limit names the question `{question.name}`, so its answers decide nothing"
            fix = f"add `{{question: {{{question.name}: 1 %}}}}` to `triggers` or `verify.targets`"
            yield Breach(path, Problem("plan-question-unused", what, fix=fix), at_key=True)
        if not set(VARIABLE.findall(question.sql)) & set(CANDIDATE):
            what = f"the question `{question.name}` counts the cases of both versions"
            why = "while both have traffic, the stable version's cases hide the candidate's"
            fix = "count only those of `{version}` or `{slot}`, where the rows tell"
            yield Breach((*path, "sql"), Problem("plan-question-not-split", what, why=why, fix=fix))


def _late_start(plan: Plan) -> Iterator[Breach]:
    if plan.database is None or plan.t0_ms is None:
        return
    late_ms = latest_start_ms(plan)
    if late_ms > 0:
        deadline = format_duration(plan.database.backups.deadline_ms)
        what = f"a backup may take {deadline}, but it is begun {format_duration(PREPARE_AHEAD_MS)} before T-0"
        why = f"the launch waits for it, so it may begin {format_duration(late_ms)} late"
        problem = Problem("plan-backup-late", what, why=why, fix="lower `database.backups.deadline`")
        yield Breach(("database", "backups", "deadline"), problem)


def _similar_classes(file: LaunchFile) -> Iterator[Breach]:
    for index, request in enumerate(file.critical_paths or []):
        name = request.route_class
        if name and name not in file.routes and (meant := nearest(name, file.routes)):
            what = f"the class `{name}` is new, and much like `{meant}`"
            problem = Problem("plan-similar-class", what, fix=f"write `{meant}` if that is meant")
            yield Breach(("critical_paths", index, "class"), problem)


def _late_end(plan: Plan) -> Iterator[Breach]:
    if plan.window is None or plan.t0_ms is None:
        return
    end_ms = plan.t0_ms + forecast_end_ms(plan)
    if end_ms > plan.window.closes_ms:
        what = f"the launch is expected to be verified at {format_utc(end_ms)}, after its window closes"
        late = format_duration(end_ms - plan.window.closes_ms)
        fix = f"start {late} earlier, shorten the shift or verification, or have the window changed"
        yield Breach(("window", "to"), Problem("plan-window-short", what, fix=fix))


def _frozen_end(plan: Plan) -> Iterator[Breach]:
    if plan.t0_ms is None:
        return
    end_ms = plan.t0_ms + forecast_end_ms(plan)
    for index, freeze in enumerate(plan.freezes):
        if plan.t0_ms < freeze.opens_ms < end_ms:
            what = f"the launch is expected to be verified at {format_utc(end_ms)}, in a freeze: {freeze.why}"
            why = "a freeze keeps launches from beginning; one that has begun is carried to its end"
            problem = Problem("plan-freeze-near", what, why=why, fix="start earlier, or after the freeze")
            yield Breach(("freezes", index, "from"), problem)
