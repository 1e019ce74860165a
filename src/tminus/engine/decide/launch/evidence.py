"""Where evidence enters a launch: its terms, the verdicts drawn from it, and what becomes of too little."""

from tminus.domain.launch.event import VerdictReached
from tminus.domain.launch.phase import TRIAL, Phase
from tminus.domain.plan.judging import OnUnderpowered
from tminus.domain.plan.times import MINUTE_MS
from tminus.domain.readiness.verdict import Outcome, Verdict
from tminus.engine.decide.launch.turn import Turn

SEAL_EVERY_MS = MINUTE_MS
"""How often the evidence of a trial is chained into the journal: samples themselves are not."""

MOST_EXTENSIONS = 4
"""A step that is extended for want of traffic lasts so many of its deadlines, and no longer."""


def fix_terms(turn: Turn) -> bool:
    """Journals what the candidate will be judged by; true once that stands, or where nothing is weighed."""
    terms = turn.observation.judged.terms
    if turn.state.terms is None and terms is not None:
        turn.record(terms)
    return turn.state.terms is not None or not turn.state.plan.weighs


def reached(turn: Turn, gate: str, verdict: Verdict) -> None:
    """Journals a verdict with the evidence behind it."""
    weighed = turn.observation.judged.weighed
    turn.record(VerdictReached(gate, verdict.outcome, verdict.why, weighed))


def lacks_traffic(turn: Turn, verdict: Verdict) -> bool:
    """Whether nothing but too little traffic stands against a pass."""
    return verdict.outcome is Outcome.INCONCLUSIVE and turn.observation.judged.underpowered


def is_decided(turn: Turn, deadline_ms: int, length_ms: int) -> bool:
    """Whether a phase that lacks its pass is decided now: at its deadline, or as the plan says of traffic.

    Args:
        turn: the decision.
        deadline_ms: of the phase, milliseconds since the epoch.
        length_ms: of one extension.
    """
    lacks = turn.observation.judged.underpowered
    wish = turn.state.plan.judging.on_underpowered
    if lacks and wish is OnUnderpowered.EXTEND:
        deadline_ms += (MOST_EXTENSIONS - 1) * length_ms
    if lacks and wish is OnUnderpowered.ASK:
        # Whoever has lifted the hold has answered: the deadline holds from then on.
        asked = turn.state.resumed_ms > turn.state.step_ms
        return not asked or turn.now_ms >= deadline_ms
    return turn.now_ms >= deadline_ms


def seal_evidence(turn: Turn, *, with_reading: bool) -> None:
    """Chains the evidence: each minute of a trial, and with each reading of the watch."""
    state, sealed = turn.state, turn.observation.judged.sealed
    if sealed is None:
        return
    due = state.phase in TRIAL and turn.now_ms - state.weighed_ms >= SEAL_EVERY_MS
    if due or (state.phase is Phase.WATCHING and with_reading):
        turn.record(sealed)
