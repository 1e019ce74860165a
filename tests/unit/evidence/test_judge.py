"""What a judge says to a launch as it goes on."""

import pytest

from tests.unit.evidence.series import ALL_PPM, START_MS, counted, errors, rules_of, watched
from tminus.domain.watch.evidence.dumped import DumpError
from tminus.domain.watch.evidence.judge import Judge
from tminus.domain.watch.evidence.judgement import State
from tminus.domain.watch.evidence.tally import Arm, Reading


@pytest.mark.req("R9")
def test_a_total_outage_rolls_back_within_ten_seconds_and_says_why() -> None:
    judge = watched(Judge.start(rules_of(errors())), [[counted(s, 10, 10)] for s in range(10)])
    judgement = judge.judgement()
    assert judgement.state is State.ROLLBACK
    assert judgement.rollback is not None
    assert judgement.rollback.why.startswith("errors on green: ")
    assert "failed in 7s (100 %), limit 1 %; evidence 1·10³ : 1; by luck less than once in 1000 launches" in (
        judgement.rollback.why
    )


@pytest.mark.req("R9")
def test_a_healthy_candidate_passes() -> None:
    judge = watched(Judge.start(rules_of(errors())), [[counted(s, 0, 100)] for s in range(6)])
    judgement = judge.judgement()
    assert judgement.state is State.PASS
    assert judgement.passed
    assert judgement.why == (
        "errors on green: 0 of 600 failed (0 %), limit 1 %, kept but for a chance of 1 in 100"
    )


def test_a_verdict_to_roll_back_stays() -> None:
    judge = watched(Judge.start(rules_of(errors())), [[counted(s, 10, 10)] for s in range(10)])
    verdict = judge.rollback
    judge = watched(judge, [[counted(s, 0, 100)] for s in range(10, 200)], first=10)
    assert verdict is not None
    assert judge.judgement().rollback == verdict


def test_a_dump_loads_as_the_same_judge() -> None:
    rules = rules_of(errors(alert=5_000))
    judge = watched(Judge.start(rules), [[counted(s, s % 3, 100)] for s in range(50)])
    assert Judge.load(rules, judge.dump()) == judge


def test_a_dump_of_other_limits_is_refused() -> None:
    judge = Judge.start(rules_of(errors()))
    with pytest.raises(DumpError, match="limits changed"):
        Judge.load(rules_of(errors(limit=20_000)), judge.dump())


def test_readings_that_are_fed_again_change_nothing() -> None:
    rules = rules_of(errors())
    seconds = [[counted(s, 1, 100)] for s in range(30)]
    judge = watched(Judge.start(rules), seconds)
    again = judge.feed(*(reading for readings in seconds for reading in readings))
    again = again.tick(START_MS + 29_600, ALL_PPM)
    assert again.seen[0].rollback == judge.seen[0].rollback
    assert again.judgement().metrics[0].late + again.judgement().metrics[0].repeated == 30


@pytest.mark.parametrize(
    "reading",
    [
        Reading("errors", Arm.CANDIDATE, START_MS, 5, 4),
        Reading("errors", Arm.CANDIDATE, START_MS, -1, 4),
        Reading("errors", Arm.CANDIDATE, START_MS, 1, float("nan")),  # type: ignore[arg-type]  # the point
        Reading("errors", Arm.CANDIDATE, -5, 1, 4),
    ],
)
def test_what_cannot_be_is_no_evidence_and_is_counted(reading: Reading) -> None:
    judge = Judge.start(rules_of(errors())).feed(reading).tick(START_MS + 500, ALL_PPM)
    judgement = judge.judgement()
    assert judgement.metrics[0].invalid == 1
    assert judgement.metrics[0].candidate.total == 0
