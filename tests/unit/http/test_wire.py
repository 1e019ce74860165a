"""Answers from raw bytes, whole and in pieces."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tminus.adapters.http.wire import HEAD_LIMIT_BYTES, AnswerParser, WireError, request_bytes

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nX-T: 1\r\n\r\n"
)
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + PLAIN


@pytest.mark.parametrize("content", [PLAIN, CHUNKED, INTERIM])
@given(cuts=st.lists(st.integers(1, 200), max_size=8))
def test_an_answer_is_the_same_in_whatever_pieces_it_comes(content: bytes, cuts: list[int]) -> None:
    parser = AnswerParser(keep_body=100)
    edges = sorted({0, len(content), *(min(cut, len(content)) for cut in cuts)})
    completed = [parser.feed(content[start:end]) for start, end in itertools.pairwise(edges)]
    assert completed == [False] * (len(edges) - 2) + [True]
    assert (parser.complete, parser.status, bytes(parser.body), parser.body_length) == (
        True,
        200,
        b"hello",
        5,
    )
    assert parser.reusable


@pytest.mark.parametrize("content", [PLAIN, CHUNKED, INTERIM])
def test_no_part_of_an_answer_is_complete(content: bytes) -> None:
    for length in range(len(content)):
        parser = AnswerParser()
        if length:
            parser.feed(content[:length])
        assert not parser.close(), content[:length]


@pytest.mark.parametrize(
    ("method", "head"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ],
)
def test_an_answer_without_a_body_is_complete_with_its_header(method: str, head: bytes) -> None:
    parser = AnswerParser(method)
    assert parser.feed(head)
    assert parser.reusable


def test_an_answer_without_a_length_ends_with_the_connection() -> None:
    parser = AnswerParser(keep_body=100)
    assert not parser.feed(b"HTTP/1.1 200 OK\r\n\r\nhello")
    assert parser.close()
    assert bytes(parser.body) == b"hello"
    assert not parser.reusable


@pytest.mark.parametrize(
    ("head", "reusable"),
    [
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n", False),
        (b"HTTP/1.1 200 OK\r\nConnection: Keep-Alive\r\n", True),
        (b"HTTP/1.0 200 OK\r\n", False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n", True),
    ],
)
def test_the_server_says_whether_the_connection_may_be_used_again(head: bytes, *, reusable: bool) -> None:
    parser = AnswerParser()
    assert parser.feed(head + b"Content-Length: 0\r\n\r\n")
    assert parser.reusable is reusable


def test_bytes_behind_an_answer_spoil_the_connection() -> None:
    parser = AnswerParser()
    assert parser.feed(PLAIN + b"HTTP/1.1 200")
    assert not parser.reusable


def test_only_so_much_of_a_body_is_kept_and_all_of_it_is_counted() -> None:
    parser = AnswerParser(keep_body=2)
    parser.feed(PLAIN)
    assert (bytes(parser.body), parser.body_length) == (b"he", 5)


@pytest.mark.parametrize(
    "content",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nBad : 1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 2000,
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * HEAD_LIMIT_BYTES,
    ],
)
def test_what_is_no_answer_is_refused(content: bytes) -> None:
    with pytest.raises(WireError):
        AnswerParser().feed(content)


def test_a_request_is_written_with_its_host_and_length() -> None:
    content = request_bytes("POST", "/a?b=c", "host:1", (("X-A", "1"),), b"{}")
    assert content == b"POST /a?b=c HTTP/1.1\r\nHost: host:1\r\nX-A: 1\r\nContent-Length: 2\r\n\r\n{}"


@pytest.mark.parametrize(
    ("path", "header"), [("/a b", "1"), ("/a\r\nX: 1", "1"), ("/ä", "1"), ("/", "1\r\nX: 2"), ("/", "1\0")]
)
def test_a_request_that_would_break_its_lines_is_refused(path: str, header: str) -> None:
    with pytest.raises(ValueError, match="spans lines"):
        request_bytes("GET", path, "host", (("X-A", header),))
