"""What must hold between alert rules, and between the stages of the watch. Must not type single values."""

from collections.abc import Iterator
from itertools import pairwise

from tminus.domain.plan.times import format_duration
from tminus.domain.problem import Problem
from tminus.plan.breach import Breach, Rule
from tminus.plan.model import LaunchFile


def _once_named(file: LaunchFile) -> Iterator[Breach]:
    seen: set[object] = set()
    for index, alert in enumerate(file.alerts or []):
        value = (alert.metric, alert.above, alert.below, alert.against)
        own = (alert.error_rate, alert.p95, repr(alert.question), alert.route_class, *value)
        if (name := alert.name or own) in seen:
            called = (
                "has no name and the same limit" if alert.name is None else f"is called {alert.name!r} too"
            )
            why = "an alert is silenced and acknowledged by its name"
            problem = Problem(
                "plan-duplicate-name",
                f"an earlier alert {called}",
                why=why,
                fix="give it a `name` of its own",
            )
            yield Breach(("alerts", index), problem)
        seen.add(name)


def _stages(file: LaunchFile) -> Iterator[Breach]:
    watch = file.watch
    ends = [each.until or watch.length for each in watch.stages or []]
    for index, (before, after) in enumerate(pairwise(ends), start=1):
        if after <= before:
            ends_at, before_at = format_duration(after), format_duration(before)
            what = f"a stage ends at T+{ends_at}, and the one before at T+{before_at}"
            fix = "write rising times; only the last stage may leave `until` out"
            yield Breach(("watch", "stages", index), Problem("plan-bad-stages", what, fix=fix))
    if ends and ends[-1] < watch.length:
        what = (
            f"the last stage ends at T+{format_duration(ends[-1])}, "
            f"but the watch goes on to T+{format_duration(watch.length)}"
        )
        problem = Problem(
            "plan-bad-stages", what, why="nobody would be on duty", fix="leave `until` out of the last stage"
        )
        yield Breach(("watch", "stages", len(ends) - 1), problem)


ALERT_RULES = (
    Rule(_once_named, frozenset({"alerts"})),
    Rule(_stages, frozenset({"watch"})),
)
