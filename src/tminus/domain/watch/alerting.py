"""When an alert fires and when it is over: inactive, pending, firing, resolved. Pure; sends nothing.

What fires stands in the journal. How long a limit has been broken until then does not: it is forgotten
with the driver, so that an alert with `for` comes that much later after a restart.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from tminus.domain.launch.alarm import AlarmEvent, Alarms, AlertFired, AlertResolved, Cause
from tminus.domain.plan.alert import AlertRule
from tminus.domain.plan.times import SECOND_MS, format_duration

UNWATCHED_MS = 5 * SECOND_MS
"""Time in which nobody has looked counts as neither broken nor kept; ticks come at least each second."""


class Sight(StrEnum):
    """What was seen of a rule in one tick."""

    BROKEN = "broken"
    KEPT = "kept"
    QUIET = "quiet"
    """There are readings, and too few cases in them to judge: neither fires nor resolves."""
    MISSING = "missing"
    """There is no reading: neither fires nor resolves, and is an alarm of its own after a while."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule beside what was seen of it. `subject` is the slot it is about, else empty."""

    rule: AlertRule
    subject: str
    sight: Sight
    why: str
    cause: Cause = Cause.LIMIT

    @property
    def key(self) -> str:
        """One course per rule and subject."""
        return f"{self.rule.name}|{self.subject}"


@dataclass(frozen=True, slots=True)
class Course:
    """What a rule has shown lately.

    Attributes:
        seen_ms: when it was last looked at.
        sight: what was seen then.
        broken_ms: for how long it has been seen broken, -1 where it is not.
        kept_ms: for how long it has been seen kept, -1 where it is not.
        missing_ms: for how long there has been no reading, -1 where there is one.
    """

    seen_ms: int
    sight: Sight
    broken_ms: int = -1
    kept_ms: int = -1
    missing_ms: int = -1

    @property
    def pending(self) -> bool:
        """Broken, and not yet for long enough to know."""
        return self.broken_ms >= 0


def follow(before: Course | None, sight: Sight, now_ms: int) -> Course:
    """The course after one more look."""
    course = before or Course(now_ms, sight)
    passed_ms = now_ms - course.seen_ms
    # What nobody watched, or was not the same at both ends, proves nothing; nor does a clock set back.
    passed_ms = passed_ms if 0 <= passed_ms <= UNWATCHED_MS and sight is course.sight else 0
    match sight:
        case Sight.BROKEN:
            return Course(now_ms, sight, broken_ms=_longer(course.broken_ms, passed_ms))
        case Sight.KEPT:
            return Course(now_ms, sight, kept_ms=_longer(course.kept_ms, passed_ms))
        case Sight.QUIET:
            return Course(now_ms, sight, broken_ms=course.broken_ms)
        case Sight.MISSING:
            missing_ms = _longer(course.missing_ms, passed_ms)
            return Course(now_ms, sight, broken_ms=course.broken_ms, missing_ms=missing_ms)


def _longer(so_far_ms: int, passed_ms: int) -> int:
    return 0 if so_far_ms < 0 else so_far_ms + passed_ms


def alarms_of(found: Finding, course: Course, alarms: Alarms) -> Iterator[AlarmEvent]:
    """What changes now, given what was seen and what fires already."""
    rule = found.rule
    fires = alarms.alarm(rule.name, found.subject, found.cause) is not None
    if found.sight is Sight.BROKEN and not fires and course.broken_ms >= rule.for_ms:
        yield _fired(found, found.cause, found.why)
    if found.sight is Sight.KEPT and fires and course.kept_ms >= rule.resolve_ms:
        yield AlertResolved(rule.name, found.subject, found.cause, found.why)
    blind = alarms.alarm(rule.name, found.subject, Cause.NO_DATA) is not None
    if found.sight is Sight.MISSING and not blind and course.missing_ms >= rule.missing_ms:
        why = f"no reading for {format_duration(rule.missing_ms)}: {found.why}"
        yield _fired(found, Cause.NO_DATA, why)
    if found.sight is not Sight.MISSING and blind:
        yield AlertResolved(rule.name, found.subject, Cause.NO_DATA, "there are readings again")


def _fired(found: Finding, cause: Cause, why: str) -> AlertFired:
    rule = found.rule
    return AlertFired(
        rule=rule.name,
        subject=found.subject,
        cause=cause,
        severity=rule.severity,
        role=rule.role,
        group=rule.group or rule.role,
        why=why,
        runbook=rule.runbook,
        action=rule.action,
    )
