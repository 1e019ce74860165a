"""What takes a candidate's traffic away without asking: never stopped by a hold, a person or a full disk."""

from tminus.domain.launch.event import HoldReleased, InstanceRestarted, RouterFellBack, TriggerFired
from tminus.domain.launch.phase import BEFORE_TRAFFIC, TRIAL, Phase
from tminus.domain.launch.reading import Distrust, RouterReading
from tminus.domain.launch.route import Route, Watch
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.limit import Consequence
from tminus.domain.plan.times import format_duration
from tminus.domain.watch.judge import percent_of
from tminus.engine.decide.launch.bounds import MOST_RESTARTS
from tminus.engine.decide.launch.turn import Turn, is_at_rest_on


def protect(turn: Turn) -> None:
    """Rolls back, holds or alerts, by what the router and the watch say in this tick; in trials only."""
    _expire_hold(turn)
    if turn.state.phase in TRIAL and not _promotion_stands(turn):
        for rule in (_router_fell_back, _nobody_healthy, _crash_loop, _triggers):
            if turn.state.phase in TRIAL:
                rule(turn)


def trial_route(state: LaunchState) -> Route:
    """The route that the present step asks for. A first launch has nobody to fall back to."""
    if state.stable is None:
        return Route(state.candidate, generation=state.generation, epoch=state.fence)
    patient = state.phase in (Phase.BAKING, Phase.PROMOTING)
    return Route(
        live=state.stable,
        candidate=state.candidate,
        candidate_bp=state.share_bp,
        watch=Watch.PATIENT if patient else Watch.SHORT,
        generation=state.generation,
        epoch=state.fence,
    )


def _expire_hold(turn: Turn) -> None:
    hold = turn.state.hold
    if hold is None or turn.now_ms < hold.expires_ms:
        return
    waited = format_duration(turn.now_ms - hold.since_ms)
    if turn.state.phase in BEFORE_TRAFFIC | TRIAL:
        turn.take_back(f"nobody lifted the hold within {waited} ({hold.why})")
    else:
        turn.record(HoldReleased("tminus", f"nobody lifted it within {waited}"))


def _promotion_stands(turn: Turn) -> bool:
    reading = turn.observation.route_reading
    state = turn.state
    return (
        state.phase is Phase.PROMOTING
        and reading is not None
        and reading.committed.live is state.candidate
        and is_at_rest_on(reading, state.candidate)
    )


def _router_fell_back(turn: Turn) -> None:
    reading = turn.observation.route_reading
    state = turn.state
    if reading is None or state.stable is None or state.step < 0:
        return
    why = _fall(state, reading)
    if why is not None:
        figures = turn.observation.judged.reading
        if figures is not None and figures.error_ppm:
            why = f"{why}; lately {percent_of(figures.error_ppm)} of {figures.requests} requests failed"
        turn.record(RouterFellBack(reading.distrust, why))
        turn.enter(Phase.ROLLING_BACK, why)


def _fall(state: LaunchState, reading: RouterReading) -> str | None:
    route = reading.route
    if route.generation > state.generation:
        return "the router carries a later decision: traffic was taken back before it was journalled"
    own = route.generation == state.generation and route.candidate is state.candidate
    if own and reading.distrust is not Distrust.NONE:
        return {
            Distrust.ERRORS: "the router's breaker left the candidate: too many errors",
            Distrust.SLOW: "the router's breaker left the candidate: too many slow answers",
            Distrust.DOWN: "the router left the candidate: none of its instances was up",
            Distrust.LEASE: "the controller was silent for longer than its lease",
        }[reading.distrust]
    if state.tried and not own:
        return "the router was restarted or changed from outside, and serves the committed route"
    if state.confirmed and not route.same_decision(trial_route(state)):
        return "the router's route was changed from outside"
    return None


def _nobody_healthy(turn: Turn) -> None:
    reading = turn.observation.route_reading
    if reading is None or not turn.state.tried:
        return
    if reading.up.get(turn.state.candidate, 0) == 0:
        _go_back(turn, f"no healthy instance of {turn.state.candidate.value}")


def _crash_loop(turn: Turn) -> None:
    slot = turn.observation.slot(turn.state.candidate)
    if slot is None or slot.restarts <= turn.state.restarts:
        return
    turn.record(InstanceRestarted(slot.slot, slot.restarts))
    if slot.restarts > MOST_RESTARTS:
        _go_back(turn, f"instances of {slot.slot.value} died {slot.restarts} times")


def _triggers(turn: Turn) -> None:
    for fired in turn.observation.judged.fired:
        if turn.state.phase not in TRIAL:
            return
        if fired.trigger not in turn.state.alerts:
            turn.record(TriggerFired(fired.trigger, fired.consequence, fired.why, fired.weighed))
        if fired.consequence is Consequence.ROLLBACK:
            _go_back(turn, fired.why)
        elif fired.consequence is Consequence.HOLD:
            turn.hold("tminus", fired.why)


def _go_back(turn: Turn, why: str) -> None:
    reading = turn.observation.route_reading
    state = turn.state
    stable_dead = state.stable is not None and reading is not None and not reading.up.get(state.stable, 0)
    if stable_dead and reading is not None and reading.up.get(state.candidate, 0):
        turn.hold("tminus", f"{why}; {state.stable} has no healthy instance to go back to")
    else:
        turn.enter(Phase.ROLLING_BACK, why)
