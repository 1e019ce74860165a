"""Events about evidence: on what terms a candidate is judged, what it weighed. Must not weigh."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from tminus.domain.plan.limit import ALL_CLASSES, Consequence


class Counted(StrEnum):
    """Which cases a metric counts."""

    ERRORS = "errors"
    """Requests of a class, and those that failed."""
    TIMES = "times"
    """Answers of a class, by how long they took."""
    SHARES = "shares"
    """Requests of both slots, and which of them the candidate got."""
    CASES = "cases"
    """Cases of a metric of the plan, and its bad ones."""
    SUCCESSES = "successes"
    """Cases of a metric of the plan whose source counts the good ones: the others are bad."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Where the cases of one metric come from, and what a broken limit leads to.

    Attributes:
        metric: name of the metric.
        counted: which cases.
        route_class: of which class.
        rollback: name of the trigger that a broken limit fires; empty without one.
        alert: name of the trigger that a broken alert limit fires; empty without one.
        on_alert: what that leads to.
        measured: the plan's metric whose cases these are; empty for what the router counts.
    """

    metric: str
    counted: Counted
    route_class: str = ALL_CLASSES
    rollback: str = ""
    alert: str = ""
    on_alert: Consequence = Consequence.ALERT
    measured: str = ""


@dataclass(frozen=True, slots=True)
class BaselineTaken:
    """What stable did before the launch.

    Attributes:
        route_class: of which class.
        seconds: for how long it was watched.
        requests: how many requests it had.
        failures: how many failed.
        dispersion_milli: how much more their number varied than by chance, in thousandths.
    """

    route_class: str
    seconds: int
    requests: int
    failures: int
    dispersion_milli: int


@dataclass(frozen=True, slots=True)
class TermsFixed:
    """What the candidate is judged by until it is promoted; nothing of it changes any more.

    Attributes:
        digest: of everything that decides.
        metrics: the metrics with their limits, as JSON; `tminus.domain.watch.terms` reads them.
        subjects: where their cases come from, in the same order.
        alpha_ppm: bound on the chance of a false rollback, parts per million.
        alert_ppm: the same for an alert.
        pass_ppm: the same for a false pass of one metric.
        blocks: fewest seconds that a rollback rests on.
        horizon_ms: how long the candidate is judged.
        baseline: what stable did before, per class; empty where nothing was seen of it.
        forecast: what each step can prove and find at that traffic, a sentence each.
    """

    kind: ClassVar[str] = "terms-fixed"
    digest: str
    metrics: Any
    subjects: tuple[Subject, ...]
    alpha_ppm: int
    alert_ppm: int
    pass_ppm: int
    blocks: int
    horizon_ms: int
    baseline: tuple[BaselineTaken, ...] = ()
    forecast: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Weighed:
    """What one metric's evidence was at one moment.

    Attributes:
        metric: its name.
        state: where it stood.
        log_e_milli: natural logarithm of the evidence against the limit, in thousandths; None without any.
        needed_milli: what rolls back by itself.
        p: chance of ever seeing as much where the limit holds, as text.
        bad: bad cases of the candidate; slower than the limit for times.
        total: all its cases.
        stable_bad: bad cases of stable in the same time.
        stable_total: all its cases.
        cases_to_pass: clean cases that were missing for a pass; None where it cannot pass.
    """

    metric: str
    state: str
    log_e_milli: int | None
    needed_milli: int | None
    p: str
    bad: int
    total: int
    stable_bad: int
    stable_total: int
    cases_to_pass: int | None


@dataclass(frozen=True, slots=True)
class EvidenceWeighed:
    """The evidence as it stood, and the digest of what a later driver goes on from.

    Attributes:
        digest: of the judge's whole state.
        sampled_ms: time of the newest sample in it, milliseconds since the epoch.
        weighed: per metric.
    """

    kind: ClassVar[str] = "evidence-weighed"
    digest: str
    sampled_ms: int
    weighed: tuple[Weighed, ...]
