from hypothesis import given, settings
from hypothesis import strategies as st

from tminus.domain.readiness.verdict import Outcome, Verdict, all_of

PASS, FAIL, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE


def verdicts(*outcomes: Outcome) -> list[Verdict]:
    return [Verdict(f"v{number}", outcome, f"why {number}") for number, outcome in enumerate(outcomes)]


def test_an_empty_gate_fails() -> None:
    assert all_of("limits", []) == Verdict(
        "limits", FAIL, "nothing was checked, and an empty gate does not open"
    )


def test_a_gate_passes_when_all_pass_and_says_why_of_each() -> None:
    assert all_of("limits", verdicts(PASS, PASS)) == Verdict("limits", PASS, "why 0; why 1")


def test_one_inconclusive_verdict_keeps_a_gate_shut_and_only_it_is_told() -> None:
    assert all_of("limits", verdicts(PASS, INCONCLUSIVE)) == Verdict("limits", INCONCLUSIVE, "why 1")


def test_one_failure_fails_a_gate_whatever_else_is_unknown() -> None:
    assert all_of("limits", verdicts(INCONCLUSIVE, FAIL, PASS)) == Verdict("limits", FAIL, "why 1")


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(st.sampled_from(Outcome)))
def test_a_gate_passes_exactly_when_it_has_verdicts_and_all_pass(outcomes: list[Outcome]) -> None:
    passed = all_of("limits", verdicts(*outcomes)).outcome is PASS
    assert passed == (bool(outcomes) and set(outcomes) == {PASS})
