"""A line and an event on their way. Loki, Elasticsearch and Sentry are played as their documents say."""

import json
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.probes.repository import LIMIT_MS, Repository, ask, made, said
from tminus.domain.plan.secret import SecretRef, SecretSource
from tminus.domain.plan.times import Millis
from tminus.domain.readiness.answer import Answer
from tminus.domain.readiness.verdict import Outcome
from tminus.ports.fault import Refused
from tminus.probes.error_tracker import ERROR_TRACKER, ErrorTrackerSettings
from tminus.probes.log_round_trip import LOG_ROUND_TRIP, LogRoundTripSettings

pytestmark = pytest.mark.req("R15")
TOKEN = SecretRef(SecretSource.ENV, "TOKEN")
SECRET = "s3cret-of-the-log-store"
KEY = "0123456789abcdef"
MARK = re.compile(r"tminus[0-9a-f]{16}")


@dataclass
class Store:
    """A server of one of these protocols, over a file of lines."""

    log: Path
    url: str = ""
    answer: Callable[["Store", BaseHTTPRequestHandler, bytes], tuple[int, object]] | None = None
    asked: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def lines(self, mark: str) -> list[str]:
        return [line for line in self.log.read_text(encoding="utf-8").splitlines() if mark in line]


def loki(store: Store, handler: BaseHTTPRequestHandler, body: bytes) -> tuple[int, object]:
    """`GET /loki/api/v1/query_range`: streams of `[nanoseconds, line]`."""
    del body
    parts = urlsplit(handler.path)
    asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
    match = re.fullmatch(r'\{app="shop"\} \|= "(\w+)"', asked["query"])
    if parts.path != "/loki/api/v1/query_range" or match is None or not asked["start"] < asked["end"]:
        return 400, {"status": "error"}
    values = [["1700000000000000000", line] for line in store.lines(match[1])]
    result = [{"stream": {"app": "shop"}, "values": values}] if values else []
    return 200, {"status": "success", "data": {"resultType": "streams", "result": result}}


def elasticsearch(store: Store, handler: BaseHTTPRequestHandler, body: bytes) -> tuple[int, object]:
    """`POST /INDEX/_search`: hits with their documents."""
    if handler.path != "/logs-*/_search":
        return 404, {"error": "no such index"}
    mark = json.loads(body)["query"]["query_string"]["query"].strip('"')
    hits = [{"_source": {"message": line, "tags": ["a"]}} for line in store.lines(mark)]
    return 200, {"hits": {"total": {"value": len(hits)}, "hits": hits}}


def service(store: Store, handler: BaseHTTPRequestHandler, body: bytes) -> tuple[int, object]:
    """Logs what it is asked for, as a service does."""
    del body
    with store.log.open("a", encoding="utf-8") as log:
        log.write(f"GET {handler.path}\n")
    return 404, {}


def sentry(store: Store, handler: BaseHTTPRequestHandler, body: bytes) -> tuple[int, object]:
    """`POST /api/PROJECT/envelope/`: the id of the event that stands in the envelope."""
    head, item, payload, rest = body.split(b"\n", 3)
    if f"sentry_key={KEY}" not in handler.headers["X-Sentry-Auth"]:
        return 403, {"detail": "event submission rejected with_reason: ProjectId"}
    described = json.loads(item)
    assert (described["type"], described["length"], rest) == ("event", len(payload), b"")
    event = json.loads(payload)
    assert event["event_id"] == json.loads(head)["event_id"]
    assert (event["release"], event["environment"]) == ("1.4.0", "production")
    return (200, {"id": event["event_id"]}) if handler.path == "/base/api/42/envelope/" else (404, {})


@contextmanager
def playing(
    log: Path, answer: Callable[[Store, BaseHTTPRequestHandler, bytes], tuple[int, object]]
) -> Iterator[Store]:
    store = Store(log, answer=answer)
    log.touch()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            store.asked.append((self.path, dict(self.headers.items()), body))
            assert store.answer is not None
            status, found = store.answer(store, self, body)
            content = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815 - the library's name

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    store.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield store
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def trip(repository: Repository, **settings: object) -> Answer:
    limit_ms = settings.pop("limit_ms", LIMIT_MS)
    assert isinstance(limit_ms, int)
    around = repository.around({"TOKEN": SECRET})
    return ask(LOG_ROUND_TRIP, made(LogRoundTripSettings, **settings), around, limit_ms)


ELSE = "the search answered something else than streams of Loki"
STORES = [("loki", loki, '{app="shop"}'), ("elasticsearch", elasticsearch, "logs-*")]


@pytest.mark.parametrize(("name", "answer", "query"), STORES)
def test_a_line_by_the_service_is_found_in_a_store(
    repository: Repository,
    tmp_path: Path,
    name: str,
    answer: Callable[[Store, BaseHTTPRequestHandler, bytes], tuple[int, object]],
    query: str,
) -> None:
    log = tmp_path / "shop.log"
    with playing(log, service) as shop, playing(log, answer) as store:
        found = trip(
            repository,
            write_url=f"{shop.url}/healthz?drill={{mark}}",
            query=query,
            token=TOKEN,
            scheme="ApiKey",
            headers=(("X-Scope-OrgID", "shop"),),
            **{name: store.url},
        )
    assert found.outcome is Outcome.PASS, found.why
    assert MARK.fullmatch(found.excerpt)
    [(_, headers, _), *_] = store.asked
    assert (headers["Authorization"], headers["X-Scope-OrgID"]) == (f"ApiKey {SECRET}", "shop")
    assert SECRET not in repr(found)


def test_a_line_by_a_command_is_found_in_a_file(repository: Repository, tmp_path: Path) -> None:
    log = tmp_path / "shop.log"
    script = f"import sys; open({str(log)!r}, 'a').write(sys.argv[1])"
    found = trip(repository, write_command=(sys.executable, "-c", script, "hello {mark}"), file=str(log))
    assert found.outcome is Outcome.PASS, found.why
    assert MARK.search(log.read_text(encoding="utf-8"))


def test_a_line_that_does_not_arrive_fails_when_its_time_is_over(
    repository: Repository, tmp_path: Path
) -> None:
    write = ("true", "{mark}")
    with playing(tmp_path / "shop.log", loki) as store:
        asked = {"write_command": write, "loki": store.url, "query": '{app="shop"}'}
        late = trip(repository, within=Millis(500), **asked)
        assert said(late) == (Outcome.FAIL, "the line was not found within 500ms")
        shorter = trip(repository, limit_ms=1_000, **asked)
        assert shorter.outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (500, {}, "the search answered 500"),
        (401, {}, "the search answered 401"),
        (200, [], "the search answered something else than streams of Loki"),
        (
            200,
            {"data": {"result": [{"values": [7]}]}},
            "the search answered something else than streams of Loki",
        ),
    ],
)
def test_a_store_that_refuses_or_garbles_tells_nothing(
    repository: Repository, tmp_path: Path, status: int, body: object, why: str
) -> None:
    with playing(tmp_path / "shop.log", lambda *_: (status, body)) as store:
        found = trip(
            repository,
            limit_ms=3_000,
            write_command=("true", "{mark}"),
            loki=store.url,
            query='{app="shop"}',
            within=Millis(500),
        )
    assert said(found) == (Outcome.INCONCLUSIVE, f"the line was written, and cannot be looked for: {why}")


def test_a_line_that_is_not_written_tells_nothing(repository: Repository) -> None:
    failed = trip(repository, write_command=("false", "{mark}"), file="shop.log")
    assert said(failed) == (Outcome.INCONCLUSIVE, "no line was written: false ended with 1")
    nowhere = trip(repository, write_file="none/shop.log", file="shop.log")
    assert said(nowhere) == (
        Outcome.INCONCLUSIVE,
        "no line was written: none/shop.log: No such file or directory",
    )


@pytest.mark.parametrize(
    "settings",
    [
        {"file": "a"},
        {"write_file": "a", "file": "a"},
        {"write_file": "a"},
        {"write_command": ("logger", "hello"), "file": "a"},
        {"write_file": "a", "loki": "http://loki:3100"},
        {"write_file": "a", "file": "b", "query": "c"},
        {"write_file": "a", "loki": "loki:3100", "query": "{}"},
    ],
)
def test_settings_that_would_prove_nothing_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"write|query|mark|file|address"):
        made(LogRoundTripSettings, **settings)


def track(repository: Repository, dsn: str) -> Answer:
    around = repository.around({"DSN": dsn})
    return ask(ERROR_TRACKER, ErrorTrackerSettings(SecretRef(SecretSource.ENV, "DSN")), around)


def test_an_event_that_is_accepted_under_its_id_passes(repository: Repository, tmp_path: Path) -> None:
    with playing(tmp_path / "log", sentry) as store:
        host = store.url.removeprefix("http://")
        found = track(repository, f"http://{KEY}@{host}/base/42")
        assert found.outcome is Outcome.PASS, found.why
        assert found.why.startswith("127.0.0.1 accepted event ")
        refused = track(repository, f"http://other@{host}/base/42")
        assert said(refused) == (Outcome.FAIL, "127.0.0.1 refuses the event: it answered 403")
        unknown = track(repository, f"http://{KEY}@{host}/base/7")
        assert said(unknown) == (Outcome.FAIL, "127.0.0.1 refuses the event: it answered 404")
    assert KEY not in repr(found)
    assert track(repository, f"http://{KEY}@{host}/base/42").outcome is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("status", "body"), [(429, {}), (503, {}), (200, {}), (200, {"id": "f" * 32}), (200, [])]
)
def test_a_tracker_that_is_busy_or_names_another_event_tells_nothing(
    repository: Repository, tmp_path: Path, status: int, body: object
) -> None:
    with playing(tmp_path / "log", lambda *_: (status, body)) as store:
        found = track(repository, f"http://{KEY}@{store.url.removeprefix('http://')}/42")
    assert found.outcome is Outcome.INCONCLUSIVE, found.why


@pytest.mark.parametrize("dsn", ["hello", "https://sentry.example.com/42", "https://k@host/", "https://[/1"])
def test_a_dsn_that_is_none_is_refused_and_not_quoted(repository: Repository, dsn: str) -> None:
    with pytest.raises(Refused, match=r"^dsn-invalid: the DSN cannot be read") as refused:
        track(repository, dsn)
    assert dsn not in str(refused.value)
