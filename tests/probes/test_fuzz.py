"""Probes against answers that nobody has thought of: no exception, no secret, an answer that can be kept."""

import contextlib
import json
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tminus.adapters.network.handshake import _first_message
from tminus.domain.canonical import Json
from tminus.domain.readiness.verdict import Outcome
from tminus.ports.probes import ProbeKind, Target
from tminus.probes.http import HTTP, HttpSettings, is_hit
from tminus.probes.prometheus import PROMETHEUS, PrometheusSettings
from tminus.probes.redis import REDIS, RedisSettings
from tminus.probes.uptime import UPTIME, UptimeSettings
from tminus.testing.contract.probes import MARKER, REFERENCE, around, check_answer

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.req("R13", "R15")]

LIMIT_MS = 10_000
URL = "http://127.0.0.1:9/x"
WORDS = st.sampled_from(
    [
        *("status", "data", "activeTargets", "labels", "job", "health", "up", "groups", "rules", "alerts"),
        *("success", "name", "state", "firing", "alertname", MARKER, "s", "t", ""),
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=8)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=12,
)
TARGETS = st.fixed_dictionaries(
    {
        "status": st.just("success"),
        "data": st.fixed_dictionaries({"activeTargets": st.lists(JSON, max_size=3)}),
    }
)
FIELDS = st.sampled_from(
    [
        *("cluster_state:ok", "cluster_slots_ok:16384", "cluster_slots_ok:x", "role:master", "role:slave"),
        *(
            "used_memory:5",
            "maxmemory:9",
            "maxmemory:-9",
            "connected_slaves:2",
            "connected_slaves:99999999999",
        ),
        *(
            "slave0:ip=1,state=online,lag=0",
            "master_link_status:down",
            "a b master c d e f connected 0-16383",
        ),
        *("a b slave a 0 0 0 connected", "a b", MARKER, ":", ""),
    ]
)


@contextlib.contextmanager
def hearing(*answers: bytes) -> Iterator[None]:
    """One request after the other hears the next of these answers, on whichever connection."""
    left = list(answers)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(LIMIT_MS / 1000)
                    while left and connection.recv(4096):
                        connection.sendall(left.pop(0))

    def connect(*_: object, **__: object) -> socket.socket:
        here = socket.socket()
        here.connect(listener.getsockname())
        return here

    with socket.create_server(("127.0.0.1", 0)) as listener, patch("socket.create_connection", connect):
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def check(kind: ProbeKind, asked: object, *answers: bytes) -> Outcome:
    target = Target(url=URL)
    with tempfile.TemporaryDirectory() as folder, hearing(*answers):
        answer = kind.ask(asked, around(Path(folder), target), LIMIT_MS)
    check_answer(answer)
    return answer.outcome


def http(body: bytes, head: bytes = b"Content-Type: application/json\r\n") -> bytes:
    return b"HTTP/1.1 200 OK\r\n" + head + b"Content-Length: %d\r\n\r\n" % len(body) + body


@given(st.binary(max_size=300), st.booleans())
@settings(deadline=None, max_examples=50)
def test_bytes_that_are_no_answer(content: bytes, is_http: bool) -> None:
    heard = http(content) if is_http else content
    assert (
        check(HTTP, HttpSettings("/x", expect_json=(("/s", "1"),), token=REFERENCE), heard)
        is not Outcome.PASS
    )
    assert check(REDIS, RedisSettings(("127.0.0.1:9",), REFERENCE), content) is not Outcome.PASS


@given(JSON)
@settings(deadline=None, max_examples=50)
def test_json_that_nobody_meant(document: Json) -> None:
    body = http(json.dumps(document).encode())
    check(HTTP, HttpSettings("/x", expect_json=(("/s", "1"), ("", "up")), token=REFERENCE), body)
    check(UPTIME, UptimeSettings(URL, "/s", at="/t", token=REFERENCE), body)
    check(UPTIME, UptimeSettings(URL, "", ("true", "up")), body)
    check(PROMETHEUS, PrometheusSettings(URL, token=REFERENCE), body)


@given(TARGETS, JSON)
@settings(deadline=None, max_examples=50)
def test_targets_rules_and_alerts_that_nobody_meant(targets: Json, other: Json) -> None:
    answers = [http(json.dumps(each).encode()) for each in (targets, other, other)]
    asked = PrometheusSettings(URL, 0, ("up", "job"), ("name",), "up", REFERENCE)
    assert check(PROMETHEUS, asked, *answers) is not Outcome.PASS


@given(st.lists(st.lists(FIELDS, max_size=8).map("\n".join), min_size=3, max_size=3))
@settings(deadline=None, max_examples=50)
def test_fields_of_redis_in_any_order(texts: list[str]) -> None:
    said = [b"$%d\r\n%s\r\n" % (len(each), each) for each in map(str.encode, texts)]
    check(REDIS, RedisSettings(("127.0.0.1:9",), REFERENCE, cluster=True), b"+OK\r\n", *said)
    check(REDIS, RedisSettings(("127.0.0.1:9",), REFERENCE), b"+OK\r\n", *said)


@given(
    st.binary(max_size=40), st.sampled_from([b"", b"\x15\x03\x01\x00\x02\x01", b"\x16\x03\x03\x00\x05\x02"])
)
@settings(deadline=None)
def test_records_of_tls_in_pieces(content: bytes, begins: bytes) -> None:
    heard = begins + content
    said = [_first_message(heard[:length]) for length in range(len(heard) + 1)]
    decided = [each for each in said if each is not None]
    assert len(set(decided)) <= 1, "what was decided by the first bytes is not changed by later ones"


@given(st.dictionaries(st.sampled_from(["age", "x-cache", "cache-status"]), st.text(max_size=20)))
def test_headers_of_caches(headers: dict[str, str]) -> None:
    assert is_hit(headers) in (True, False)
