"""What is allowed in a plan and may still surprise. Must not refuse anything."""

from collections.abc import Iterator

from tminus.domain.plan.plan import Plan
from tminus.domain.plan.timeline import forecast_end_ms
from tminus.domain.plan.times import format_duration, format_utc
from tminus.domain.problem import Problem
from tminus.plan.model import LaunchFile
from tminus.plan.rules import Breach
from tminus.plan.scalar import nearest


def notes_on(file: LaunchFile, plan: Plan) -> Iterator[Breach]:
    """Notes, in the order of the plan; shown, never raised."""
    if not any("{port}" in word for word in plan.run.command):
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
    yield from _late_end(plan)


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
