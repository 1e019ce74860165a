"""The decision as a whole: pure and total, whatever was seen."""

from copy import deepcopy
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.engine.samples import Look, blanked, looks
from tminus.domain.codec import from_json, to_json
from tminus.domain.launch import event as ev
from tminus.domain.launch.command import RenewLease
from tminus.domain.launch.phase import BEFORE_TRAFFIC, TERMINAL, TRIAL, Phase
from tminus.domain.launch.state import LaunchState, evolve
from tminus.engine.decide.launch.bounds import REST_TICK_MS
from tminus.engine.decide.step import Step
from tminus.engine.decide.tick import decide_tick

pytestmark = pytest.mark.slow  # forty worlds are simulated first

SEEDS = st.integers(0, 2**32)
ENDINGS = (Phase.ROLLING_BACK, Phase.SCRUBBING, Phase.ROLLED_BACK, Phase.SCRUBBED)


def decided(look: Look) -> Step:
    return decide_tick(look.state, look.observation, look.samples)


def some_look(seed: int) -> Look:
    """A look at a world, two times in three with readings taken away."""
    random = Random(seed)
    look = random.choice(looks())
    return blanked(look, random) if random.random() < 2 / 3 else look


def test_the_worlds_pass_through_every_phase() -> None:
    # Nobody has a seat in these worlds: what people and time do to a poll is in tests/unit/polling.
    assert {look.state.phase for look in looks()} >= set(Phase) - TERMINAL - {Phase.POLL}


@settings(deadline=None, max_examples=300)  # a busy machine is no failure
@given(SEEDS)
def test_every_look_has_a_decision_and_the_same_look_the_same_one(seed: int) -> None:
    look = some_look(seed)
    assert decided(look) == decided(look)


@settings(deadline=None)  # a busy machine is no failure
@given(SEEDS)
def test_what_is_decided_upon_is_left_as_it_was(seed: int) -> None:
    look = some_look(seed)
    before = deepcopy(look)
    decided(look)
    assert look == before


@settings(deadline=None)  # a busy machine is no failure
@given(SEEDS)
def test_the_state_after_a_decision_is_the_fold_of_its_events(seed: int) -> None:
    look = some_look(seed)
    step = decided(look)
    state = look.state
    for event in step.events:
        state = evolve(state, event, look.observation.now_ms)
    assert step.state == state


@settings(deadline=None)  # a busy machine is no failure
@given(SEEDS)
def test_every_decided_event_can_be_journalled_and_read_back(seed: int) -> None:
    for event in decided(some_look(seed)).events:
        kind, version, body = ev.encode(event)
        assert ev.decode(kind, version, body) == event


@settings(deadline=None)  # a busy machine is no failure
@given(SEEDS)
def test_every_state_can_be_kept_as_a_snapshot(seed: int) -> None:
    state = decided(some_look(seed)).state
    assert from_json(LaunchState, to_json(state)) == state


@settings(deadline=None, max_examples=300)  # a busy machine is no failure
@given(SEEDS)
def test_every_wait_has_a_deadline_and_a_next_action(seed: int) -> None:
    look = some_look(seed)
    step = decided(look)
    waiting = step.waiting
    assert waiting.what
    assert waiting.then
    if step.state.phase in TERMINAL:
        assert waiting.until_ms is None
    else:
        assert waiting.until_ms is not None
        assert waiting.until_ms >= look.observation.now_ms


@settings(deadline=None)  # a busy machine is no failure
@given(SEEDS)
def test_the_next_look_is_never_far(seed: int) -> None:
    assert 0 < decided(some_look(seed)).next_ms <= REST_TICK_MS


@settings(deadline=None, max_examples=300)  # a busy machine is no failure
@given(SEEDS)
def test_a_journal_that_takes_no_events_leads_nowhere_but_back(seed: int) -> None:
    look = some_look(seed)
    step = decided(look)
    if not look.observation.journal_open:
        assert step.commands == ()
        assert step.state.phase in {look.state.phase, *ENDINGS}


@settings(deadline=None, max_examples=300)  # a busy machine is no failure
@given(SEEDS)
def test_a_launch_never_goes_backwards(seed: int) -> None:
    look = some_look(seed)
    order = list(Phase)[: list(Phase).index(Phase.CLOSED) + 1]
    before, after = look.state.phase, decided(look).state.phase
    if before in order and after in order:
        assert order.index(after) >= order.index(before)


@settings(deadline=None, max_examples=300)  # a busy machine is no failure
@given(SEEDS)
def test_no_traffic_moves_before_the_smoke_suite_has_passed(seed: int) -> None:
    step = decided(some_look(seed))
    if step.state.phase not in BEFORE_TRAFFIC | {Phase.SCRUBBING, Phase.SCRUBBED}:
        assert step.state.jobs["smoke"].result["passed"] is True


@settings(deadline=None, max_examples=300)  # a busy machine is no failure
@given(SEEDS)
def test_only_a_trial_or_the_way_back_from_it_renews_a_lease(seed: int) -> None:
    step = decided(some_look(seed))
    if step.unjournalled:
        assert step.state.phase in TRIAL | {Phase.ROLLING_BACK}
        assert all(isinstance(command, RenewLease) for command in step.unjournalled)
