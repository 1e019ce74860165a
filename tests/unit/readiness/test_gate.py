"""The gate: it opens on what counts at one moment, and on nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.engine.checks import an_item
from tminus.domain.canonical import canonical_bytes
from tminus.domain.codec import to_json
from tminus.domain.plan.checklist import CheckItem, Checks
from tminus.domain.readiness.answer import Answer
from tminus.domain.readiness.answers import answers_body, read_answers
from tminus.domain.readiness.checked import (
    CheckAnswered,
    CheckEvent,
    CheckExcused,
    CheckExcuseEnded,
    Excuse,
    Readiness,
    answered,
    checked,
    proof_of,
)
from tminus.domain.readiness.gate import (
    CLOCKS_APART_MS,
    Standing,
    digest_of_verdicts,
    gate_text,
    is_open,
    judge_items,
    noted_verdicts,
)
from tminus.domain.readiness.verdict import Outcome

NOW_MS = 1_700_000_000_000
NAMES = ("a/one", "a/two", "a/three")
TIMES = st.integers(NOW_MS - 1_000, NOW_MS + 1_000)


@st.composite
def events(draw: st.DrawFn) -> CheckEvent:
    name = draw(st.sampled_from(NAMES))
    kind = draw(st.integers(0, 3))
    if kind == 0:
        excuse = draw(st.sampled_from(list(Excuse)))
        return CheckExcused(name, excuse, "ann", "because", draw(TIMES))
    if kind == 1:
        return CheckExcuseEnded(name, "", "it ran out")
    outcome = draw(st.sampled_from(list(Outcome)))
    return answered(name, Answer(outcome, "why", "source"), draw(TIMES), draw(st.integers(1, 1_500)))


def items(blocks: tuple[bool, ...]) -> tuple[CheckItem, ...]:
    return tuple(an_item(name, blocks=flag) for name, flag in zip(NAMES, blocks, strict=False))


BLOCKS = st.lists(st.booleans(), min_size=0, max_size=3).map(tuple)


@pytest.mark.req("R17")
@given(st.lists(st.tuples(events(), TIMES), max_size=12), st.lists(events(), max_size=3), BLOCKS, TIMES)
def test_an_open_gate_has_for_every_item_that_blocks_something_that_counts_now(
    told: list[tuple[CheckEvent, int]], newer: list[CheckEvent], blocks: tuple[bool, ...], now_ms: int
) -> None:
    readiness = Readiness()
    for event, at_ms in told:
        readiness = checked(readiness, event, at_ms)
    fresh = {event.item: proof_of(event) for event in newer if isinstance(event, CheckAnswered)}
    verdicts = judge_items(Checks(items(blocks), {}), readiness, now_ms, fresh)
    assert [verdict.item.item for verdict in verdicts] == list(NAMES[: len(blocks)])
    expected = bool(blocks)
    for item in items(blocks):
        if not item.blocks:
            continue
        excuse, name = readiness.excuses.get(item.item), item.item
        found = [proof for proof in (readiness.proofs.get(name), fresh.get(name)) if proof is not None]
        newest = max(found, key=lambda each: each.asked_ms, default=None)
        proven = (
            newest is not None
            and any(each.outcome is Outcome.PASS for each in found if each.asked_ms == newest.asked_ms)
            and now_ms < max(each.expires_ms for each in found if each.asked_ms == newest.asked_ms)
        )
        expected = expected and ((excuse is not None and now_ms < excuse.until_ms) or proven)
    if is_open(verdicts):
        assert expected


@given(st.lists(st.tuples(events(), TIMES), max_size=12))
def test_what_the_journal_has_told_knows_three_answers_and_two_excuses(
    told: list[tuple[CheckEvent, int]],
) -> None:
    readiness = Readiness()
    for event, at_ms in told:
        readiness = checked(readiness, event, at_ms)
    found = noted_verdicts(Checks(items((True, True, True)), {}), readiness)
    assert tuple(found) == NAMES
    assert set(found.values()) <= {standing.value for standing in Standing}
    assert digest_of_verdicts(found) == digest_of_verdicts(dict(reversed(list(found.items()))))


def test_a_gate_without_anything_to_check_is_shut() -> None:
    verdicts = judge_items(Checks((), {}), Readiness(), NOW_MS)
    assert not is_open(verdicts)
    assert gate_text(verdicts) == "nothing is checked, and an empty gate does not open"


@pytest.mark.parametrize(("ahead_ms", "standing"), [(0, Standing.PASS), (1, Standing.INCONCLUSIVE)])
def test_evidence_may_be_ahead_by_as_much_as_clocks_differ(ahead_ms: int, standing: Standing) -> None:
    answer = answered("a/one", Answer(Outcome.PASS, "it is", "s"), NOW_MS + CLOCKS_APART_MS + ahead_ms, 1_000)
    [verdict] = judge_items(Checks(items((True,)), {}), Readiness(), NOW_MS, {"a/one": proof_of(answer)})
    assert verdict.standing is standing


@given(st.lists(events(), max_size=5))
def test_answers_come_back_from_a_jobs_progress(found: list[CheckEvent]) -> None:
    mine = {event.item: event for event in found if isinstance(event, CheckAnswered)}
    assert read_answers(answers_body(mine.values())) == mine


@pytest.mark.parametrize("body", [None, 3, [], {}, {"answers": 3}, {"answers": [3, {}, {"item": "a"}]}])
def test_a_progress_that_says_something_else_is_no_answer(body: object) -> None:
    assert read_answers(body) == {}  # type: ignore[arg-type]  # whatever a file may hold


def test_the_digest_of_an_answer_is_over_all_of_it() -> None:
    plain = answered("a/one", Answer(Outcome.PASS, "w", "s", "e", (("n_ms", 1),)), NOW_MS, 1)
    digests = {
        answered("a/one", answer, NOW_MS, 1).digest
        for answer in (
            Answer(Outcome.FAIL, "w", "s", "e", (("n_ms", 1),)),
            Answer(Outcome.PASS, "v", "s", "e", (("n_ms", 1),)),
            Answer(Outcome.PASS, "w", "t", "e", (("n_ms", 1),)),
            Answer(Outcome.PASS, "w", "s", "f", (("n_ms", 1),)),
            Answer(Outcome.PASS, "w", "s", "e", (("n_ms", 2),)),
        )
    }
    assert len(digests) == 5
    assert plain.digest not in digests
    assert canonical_bytes(to_json(plain))
