"""What a judge says at one moment, with its numbers. Must not weigh evidence."""

from dataclasses import dataclass
from enum import StrEnum

from tminus.domain.watch.evidence.interval import share_interval_ppm
from tminus.domain.watch.evidence.tally import Tally


class State(StrEnum):
    """Where a metric, or the launch, stands; of several that hold, the first in this order is shown."""

    ROLLBACK = "rollback"
    """The evidence against the limit is enough. It stays so."""
    STALE = "stale"
    """Readings have stopped, or clocks disagree: nothing is known of now."""
    NO_DATA = "no-data"
    """The candidate is given a share of the traffic and has had no case for a while."""
    ALERT = "alert"
    """The evidence against the alert limit is enough. It stays so."""
    PASS = "pass"  # noqa: S105 - a state, not a password
    """The evidence that the target is kept is enough."""
    UNDERPOWERED = "underpowered"
    """What time is left does not suffice for a pass, not even without a single bad case."""
    COLLECTING = "collecting"
    """Neither is shown yet."""


@dataclass(frozen=True, slots=True)
class Fired:
    """A verdict that was reached, and does not change any more.

    Attributes:
        metric: whose evidence weighed most.
        at_ms: when, milliseconds since the epoch.
        why: the sentence of that moment.
    """

    metric: str
    at_ms: int
    why: str


@dataclass(frozen=True, slots=True)
class MetricJudgement:
    """One metric at one moment.

    Attributes:
        metric: its name.
        state: where it stands.
        passed: whether its target is proven now.
        can_pass: whether there is a target to prove.
        log_e: natural logarithm of the evidence against the limit; minus infinity without one.
        needed_log_e: what it alone would need to roll back.
        p_value: chance of ever seeing as much evidence as at its highest, where the limit holds.
        candidate: all the candidate's cases, burn-in included.
        stable: all stable's.
        estimate_ppm: share of bad cases among the candidate's; None without any.
        silent_ms: how long the candidate has had traffic and no case; 0 where it has one.
        late: readings dropped because they came too late.
        invalid: readings that say what cannot be.
        repeated: readings that were given before.
        cases_to_pass: clean cases that are missing for a pass; 0 with one, None where it cannot pass.
        why: one sentence with these numbers.
    """

    metric: str
    state: State
    passed: bool
    can_pass: bool
    log_e: float
    needed_log_e: float
    p_value: float
    candidate: Tally
    stable: Tally
    estimate_ppm: int | None
    silent_ms: int
    late: int
    invalid: int
    repeated: int
    cases_to_pass: int | None
    why: str

    def interval_ppm(self, planned: int = 1000) -> tuple[int, int] | None:
        """Where the candidate's share of bad cases lies, but for a chance of 5 % over the whole launch.

        Args:
            planned: the number of cases at which the interval should be narrowest.

        Returns:
            Two shares in parts per million; None without cases.
        """
        if not self.candidate.total:
            return None
        return share_interval_ppm(self.candidate.bad, self.candidate.total, planned)


@dataclass(frozen=True, slots=True)
class Judgement:
    """The launch at one moment.

    Attributes:
        state: the worst of what holds; `PASS` only where every metric that can pass has.
        passed: whether they all have, and nothing was fired.
        log_e: natural logarithm of the weighted evidence of all metrics.
        needed_log_e: what rolls back.
        rollback: the verdict to roll back, once there is one.
        alerts: alerts so far, one per metric.
        metrics: each metric, in the order of the rules.
        why: one sentence.
    """

    state: State
    passed: bool
    log_e: float
    needed_log_e: float
    rollback: Fired | None
    alerts: tuple[Fired, ...]
    metrics: tuple[MetricJudgement, ...]
    why: str
