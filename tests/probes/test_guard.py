"""Every probe is held to its limit and its silence, whatever it does itself."""

import base64
import threading
from pathlib import Path
from typing import Any

import pytest

from tminus.domain.readiness.answer import EXCERPT_LIMIT, Answer, passed, unknown
from tminus.domain.readiness.verdict import Outcome
from tminus.ports.fault import Refused, Unavailable
from tminus.ports.probes import Around, Probe
from tminus.probes.guard import MASK, guarded
from tminus.testing.contract.probes import MARKER, REFERENCE, around, check_answer


def held(ask: Any) -> Probe:  # noqa: ANN401 - whatever a test wants
    return guarded(ask, lambda settings, target: "the source")


def telling(text: str) -> Probe:
    """A probe that asks for its secret and quotes it."""

    def ask(settings: object, around: Around, limit_ms: int) -> Answer:
        around.secret(REFERENCE)
        return passed(f"why {text}", f"source {text}", text, count=1)

    return ask


@pytest.mark.parametrize(
    "form",
    [
        MARKER,
        base64.b64encode(MARKER.encode()).decode(),
        base64.b64encode(f"launcher:{MARKER}".encode()).decode(),
        f"{MARKER} and again {MARKER}",
    ],
)
def test_a_secret_is_masked_wherever_it_is_told(form: str, tmp_path: Path) -> None:
    answer = held(telling(f"it said {form}."))(None, around(tmp_path, secret=f"launcher:{MARKER}"), 5_000)
    check_answer(answer)
    assert form not in repr(answer)
    assert answer.why == f"why it said {form}.".replace(
        form, MASK if " " not in form else f"{MASK} and again {MASK}"
    )


@pytest.mark.parametrize("secret", ["p@ss/w:rd é", 'q"uo\\te'])
def test_a_password_is_masked_as_it_is_written_in_addresses_and_in_json(secret: str, tmp_path: Path) -> None:
    url = f"postgresql://shop:{'p%40ss%2Fw%3Ard%20%C3%A9' if '@' in secret else 'q%22uo%5Cte'}@db/shop"
    written = '"q\\"uo\\\\te"' if "@" not in secret else "p%40ss%2Fw%3Ard%20%C3%A9"
    answer = held(telling(f"{secret} {written} {url}"))(None, around(tmp_path, secret=url), 5_000)
    assert secret not in repr(answer)
    assert written.strip('"') not in answer.excerpt
    assert url not in answer.excerpt


def test_a_secret_that_an_excerpt_cuts_in_two_is_masked_too(tmp_path: Path) -> None:
    text = "x" * (EXCERPT_LIMIT - 6) + MARKER
    answer = held(telling(text))(None, around(tmp_path), 5_000)
    assert MARKER[:6] not in answer.excerpt
    assert len(answer.excerpt) <= EXCERPT_LIMIT


def test_the_suite_catches_a_probe_that_quotes_its_secret(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="quotes no secret"):
        check_answer(telling(MARKER)(None, around(tmp_path), 5_000))


def test_the_suite_catches_a_fact_that_is_no_whole_number() -> None:
    with pytest.raises(AssertionError, match="whole number"):
        check_answer(Answer(Outcome.PASS, "why", "source", "", (("share", 0.5),)))  # type: ignore[arg-type] # what no probe may tell


def test_what_does_not_come_back_is_inconclusive_and_left_behind(tmp_path: Path) -> None:
    over = threading.Event()

    def ask(settings: object, given: Around, limit_ms: int) -> Answer:
        over.wait(60)
        return passed("too late", "")

    try:
        assert held(ask)(None, around(tmp_path), 50) == unknown("no answer within 50 ms", "the source")
    finally:
        over.set()


def test_a_fault_of_the_other_side_is_inconclusive_and_a_refusal_is_raised(tmp_path: Path) -> None:
    def unavailable(settings: object, given: Around, limit_ms: int) -> Answer:
        raise Unavailable("gone", f"gone with {given.secret(REFERENCE)}")

    def refused(settings: object, given: Around, limit_ms: int) -> Answer:
        raise Refused("secret-missing", "no value")

    assert held(unavailable)(None, around(tmp_path), 5_000) == unknown(f"gone with {MASK}", "the source")
    with pytest.raises(Refused, match="no value"):
        held(refused)(None, around(tmp_path), 5_000)


def test_a_mistake_of_a_probe_itself_is_not_hidden(tmp_path: Path) -> None:
    def ask(settings: object, given: Around, limit_ms: int) -> Answer:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        held(ask)(None, around(tmp_path), 5_000)
