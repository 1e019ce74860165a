"""Turns the plan's limits and the router's counters into what the launch acts upon."""

from collections.abc import Sequence

from tminus.domain.launch.event import ReadingTaken
from tminus.domain.launch.judged import Fired, Judged
from tminus.domain.launch.phase import TRIAL, Phase
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.limit import ALL_CLASSES, Consequence
from tminus.domain.plan.plan import FULL_BP
from tminus.domain.readiness.verdict import Outcome, all_of
from tminus.domain.watch.counts import Sample
from tminus.domain.watch.judge import (
    PPM,
    STALE_MS,
    counts_in_window,
    judge_limit,
    judge_total_failure,
)


def judge(state: LaunchState, samples: Sequence[Sample], now_ms: int) -> Judged:
    """Judges the candidate by `samples` (oldest first, of the router it runs behind).

    Outside a trial and the watch there is no traffic on the candidate and nothing is judged.
    """
    if state.phase not in TRIAL and state.phase is not Phase.WATCHING:
        return Judged()
    plan, slot, generation = state.plan, state.candidate, state.generation
    fired = []
    limits = []
    for trigger in plan.triggers:
        verdict = judge_limit(trigger.limit, samples, slot, generation, now_ms)
        limits.append(verdict)
        if verdict.outcome is Outcome.FAIL:
            fired.append(Fired(trigger.limit.name, trigger.consequence, verdict.why))
    return Judged(
        fired=(*_total_failures(state, samples, now_ms), *fired),
        safe=all_of("limits", limits),
        on_target=all_of(
            "targets", [judge_limit(limit, samples, slot, generation, now_ms) for limit in plan.targets]
        ),
        reading=_reading(state, samples),
    )


def _total_failures(state: LaunchState, samples: Sequence[Sample], now_ms: int) -> tuple[Fired, ...]:
    if not samples or now_ms - samples[-1].at_ms > STALE_MS:
        return ()
    names = (ALL_CLASSES, *(route_class.name for route_class in state.plan.route_classes))
    verdicts = (judge_total_failure(name, samples, state.candidate, state.generation) for name in names)
    return tuple(Fired(v.subject, Consequence.ROLLBACK, v.why) for v in verdicts if v is not None)


def _reading(state: LaunchState, samples: Sequence[Sample]) -> ReadingTaken | None:
    window_ms = state.plan.longest_window_ms
    counts = counts_in_window(samples, state.candidate, state.generation, ALL_CLASSES, window_ms)
    if counts is None:
        return None
    span_ms = max(1, min(window_ms, samples[-1].at_ms - samples[0].at_ms))
    return ReadingTaken(
        slot=state.candidate,
        share_bp=FULL_BP if state.promoted else state.share_bp,
        requests=counts.requests,
        per_s_milli=counts.requests * 1_000_000 // span_ms,
        error_ppm=counts.failures * PPM // counts.requests if counts.requests else None,
        p95_ms=counts.quantile_ms(950),
    )
