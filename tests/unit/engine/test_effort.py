"""When a command is sent again, and when trying has been enough."""

from dataclasses import replace

import pytest

from tests.unit.engine.launches import CANDIDATE, NOW_MS, launch
from tminus.domain.launch.command import AdmitSlot, StartJob, StopSlot
from tminus.domain.launch.phase import Phase
from tminus.domain.launch.state import Attempt
from tminus.engine.decide.launch.bounds import BACKOFF_MS, MOST_ATTEMPTS
from tminus.engine.decide.launch.effort import SETTLE_MS, given_up, is_due, keyed
from tminus.engine.decide.step import Keyed

STAGING = launch(Phase.STAGING)
COMMAND = AdmitSlot(CANDIDATE)
ENTRY = keyed(STAGING, COMMAND)


def due_after(pause_ms: int, **attempt: object) -> bool:
    before = replace(Attempt(COMMAND, 1, NOW_MS), **attempt)  # type: ignore[arg-type]  # named fields
    return is_due(launch(Phase.STAGING, commands={ENTRY.key: before}), ENTRY, NOW_MS + pause_ms)


def test_a_key_names_phase_command_and_slot() -> None:
    assert Keyed("staging:admit-slot:green", COMMAND) == ENTRY


def test_a_key_names_the_job() -> None:
    assert keyed(STAGING, StartJob("smoke", "smoke", {}, 1)).key == "staging:start-job:smoke"


def test_a_key_may_have_a_purpose() -> None:
    assert keyed(STAGING, StopSlot(CANDIDATE), "leftover").key == "staging:stop-slot:green:leftover"


def test_a_command_that_was_never_sent_is_due() -> None:
    assert is_due(STAGING, ENTRY, NOW_MS)


@pytest.mark.parametrize(("attempts", "pause_ms"), list(enumerate(BACKOFF_MS, start=1)))
def test_a_failed_attempt_is_repeated_after_its_pause(attempts: int, pause_ms: int) -> None:
    failed = {"attempts": attempts, "code": "timeout"}
    assert [due_after(pause_ms - 1, **failed), due_after(pause_ms, **failed)] == [False, True]


def test_the_last_pause_repeats_for_ever() -> None:
    failed = {"attempts": 1_000, "code": "timeout"}
    assert [due_after(BACKOFF_MS[-1] - 1, **failed), due_after(BACKOFF_MS[-1], **failed)] == [False, True]


def test_a_performed_command_has_time_to_show_its_effect() -> None:
    assert [due_after(SETTLE_MS - 1, performed=True), due_after(SETTLE_MS, performed=True)] == [False, True]


def test_a_command_that_was_performed_again_and_again_keeps_the_longer_pause() -> None:
    often = {"attempts": len(BACKOFF_MS), "performed": True}
    assert [due_after(BACKOFF_MS[-1] - 1, **often), due_after(BACKOFF_MS[-1], **often)] == [False, True]


def test_another_command_under_the_same_key_is_due_at_once() -> None:
    assert due_after(0, command=StopSlot(CANDIDATE))


def gives_up_on(key: str = ENTRY.key, **attempt: object) -> bool:
    before = replace(Attempt(COMMAND, 1, NOW_MS, code="timeout"), **attempt)  # type: ignore[arg-type]  # named fields
    return given_up(launch(Phase.STAGING, commands={key: before})) is not None


def test_a_refused_command_is_given_up_at_once() -> None:
    assert gives_up_on(refused=True)


def test_a_failing_command_is_given_up_after_enough_attempts() -> None:
    assert [gives_up_on(attempts=MOST_ATTEMPTS - 1), gives_up_on(attempts=MOST_ATTEMPTS)] == [False, True]


def test_an_attempt_whose_outcome_is_not_known_yet_is_not_given_up() -> None:
    assert not gives_up_on(attempts=MOST_ATTEMPTS, code="")


def test_a_performed_command_is_not_given_up() -> None:
    assert not gives_up_on(attempts=MOST_ATTEMPTS, performed=True)


def test_what_an_earlier_phase_gave_up_does_not_count() -> None:
    assert not gives_up_on("countdown:start-job:build", refused=True)
