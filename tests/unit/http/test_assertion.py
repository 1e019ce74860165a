"""Whether an answer is what its request expects."""

import json

import pytest

from tminus.domain.plan.assertion import Answer, UnfilledError, fill, judge_answer, resolve, same_json
from tminus.domain.plan.request import Request

RFC_6901 = {
    "foo": ["bar", "baz"],
    "": 0,
    "a/b": 1,
    "c%d": 2,
    "e^f": 3,
    "g|h": 4,
    "i\\j": 5,
    'k"l': 6,
    " ": 7,
    "m~n": 8,
}


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", RFC_6901),
        ("/foo", ["bar", "baz"]),
        ("/foo/0", "bar"),
        ("/", 0),
        ("/a~1b", 1),
        ("/c%d", 2),
        ("/e^f", 3),
        ("/g|h", 4),
        ("/i\\j", 5),
        ('/k"l', 6),
        ("/ ", 7),
        ("/m~0n", 8),
    ],
)
def test_pointers_lead_where_the_standards_examples_say(pointer: str, value: object) -> None:
    assert resolve(RFC_6901, pointer) == value


@pytest.mark.parametrize(
    "pointer", ["/nope", "/foo/2", "/foo/-", "/foo/00", "/foo/-1", "/foo/1/x", "foo", "/foo/\u0660"]
)
def test_a_pointer_that_leads_nowhere_fails(pointer: str) -> None:
    with pytest.raises(LookupError):
        resolve(RFC_6901, pointer)


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("1", "1.0", True),
        ("1", "true", False),
        ("0", "false", False),
        ("null", "false", False),
        ('"1"', "1", False),
        ("[1, 2]", "[2, 1]", False),
        ('{"a": 1, "b": [true]}', '{"b": [true], "a": 1.0}', True),
        ('{"a": 1}', '{"a": true}', False),
        ('{"a": 1}', '{"a": 1, "b": 2}', False),
        ("[]", "{}", False),
    ],
)
def test_json_values_are_compared_as_json(left: str, right: str, *, same: bool) -> None:
    assert same_json(json.loads(left), json.loads(right)) is same


def request(
    *,
    expect_status: tuple[int, ...] = (200,),
    expect_json: tuple[tuple[str, str], ...] = (),
    capture: tuple[tuple[str, str], ...] = (),
    limit_ms: int = 2_000,
) -> Request:
    return Request("GET /", "GET", "/", (), None, expect_status, expect_json, capture, limit_ms)


@pytest.mark.parametrize(
    ("asked", "answer", "why"),
    [
        (request(), Answer(200, b"anything", 5), ""),
        (request(), Answer(302, b"", 5), "status 302, expected 200"),
        (request(expect_status=(200, 204)), Answer(500, b"", 5), "status 500, expected 200 or 204"),
        (
            request(expect_status=()),
            Answer(200, b"", 5),
            "status 200, expected none: the request expects no status",
        ),
        (request(limit_ms=10), Answer(200, b"", 10), ""),
        (request(limit_ms=10), Answer(200, b"", 11), "took 11 ms, limit 10 ms"),
        (request(expect_json=(("/a", "1"),)), Answer(200, b'{"a": 1.0}', 5), ""),
        (request(expect_json=(("/a", "1"),)), Answer(200, b'{"a": 2}', 5), "/a: found 2, expected 1"),
        (request(expect_json=(("/a", "true"),)), Answer(200, b'{"a": 1}', 5), "/a: found 1, expected true"),
        (request(expect_json=(("/a", "1"),)), Answer(200, b"{}", 5), "/a: nothing is there"),
        (request(expect_json=(("/a", "1"),)), Answer(200, b"<html>", 5), "the answer of 6 bytes is not JSON"),
        (
            request(expect_json=(("/a", "1"),)),
            Answer(200, b'{"a": NaN}', 5),
            "the answer of 10 bytes is not JSON",
        ),
        (
            request(expect_json=(("/a", "oops"),)),
            Answer(200, b'{"a": 1}', 5),
            "/a: the expected value is not JSON",
        ),
        (
            request(expect_json=(("", "[]"),)),
            Answer(200, b"{}", 5),
            "the whole answer: found an object of 0, expected a list of 0",
        ),
        (
            request(expect_json=(("/a", '"secret-a"'),)),
            Answer(200, b'{"a": "secret-b"}', 5),
            "/a: found another text of 8 characters, expected text of 8 characters",
        ),
        (
            request(capture=(("t", "/token"),)),
            Answer(200, b'{"token": ["hunter2"]}', 5),
            "/token: cannot be captured as t: a list of 1 is there",
        ),
    ],
)
def test_what_is_not_as_expected_is_told_without_quoting(asked: Request, answer: Answer, why: str) -> None:
    judged = judge_answer(asked, answer)
    assert (judged.answer.why, judged.answer.passed) == (why, not why)
    assert judged.captured == {}


def test_captured_values_are_text() -> None:
    asked = request(capture=(("token", "/t"), ("number", "/n"), ("flag", "/f")))
    judged = judge_answer(asked, Answer(200, b'{"t": "x y", "n": 5, "f": true}', 5))
    assert judged.captured == {"token": "x y", "number": "5", "flag": "true"}


def test_an_answer_that_failed_captures_nothing() -> None:
    asked = request(capture=(("token", "/t"),))
    assert judge_answer(asked, Answer(500, b'{"t": "x"}', 5)).captured == {}


def test_variables_are_written_as_their_place_needs() -> None:
    asked = Request(
        "r",
        "POST",
        "/u/{id}?q={id}",
        (("Authorization", "Bearer {id}"),),
        '{"id": "{id}", "other": "{other}"}',
    )
    filled = fill(asked, {"id": 'a/"b" ü'}, frozenset({"id"}))
    assert filled.path == "/u/a%2F%22b%22%20%C3%BC?q=a%2F%22b%22%20%C3%BC"
    assert filled.headers == (("Authorization", 'Bearer a/"b" ü'),)
    assert json.loads(filled.body or "") == {"id": 'a/"b" ü', "other": "{other}"}


def test_a_body_that_is_not_json_is_filled_plainly() -> None:
    asked = Request("r", "POST", "/", body="id={id}&n={1}")
    assert fill(asked, {"id": '"'}, frozenset({"id"})).body == 'id="&n={1}'


def test_a_variable_without_a_value_is_told() -> None:
    with pytest.raises(
        UnfilledError, match=r"^\{id\} has no value: the request that captures it did not pass$"
    ):
        fill(Request("r", "GET", "/{id}"), {}, frozenset({"id"}))


def test_a_value_with_a_line_break_does_not_get_into_a_header() -> None:
    asked = Request("r", "GET", "/", (("X-A", "{id}"),))
    with pytest.raises(UnfilledError, match=r"^the value for header X-A spans lines$"):
        fill(asked, {"id": "a\r\nX-B: 1"}, frozenset({"id"}))
