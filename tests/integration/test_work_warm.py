"""Warming against servers that need more than one visit."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest

from tminus.adapters.http.warm import warm
from tminus.domain.canonical import Json
from tminus.domain.problem import ProblemError

pytestmark = pytest.mark.integration


class Pages(BaseHTTPRequestHandler):
    visits: list[str]

    def do_GET(self) -> None:
        self.visits.append(self.path)
        cold = self.path == "/cold" and self.visits.count("/cold") < 3
        status = {"/moved": 302, "/gone": 404}.get(self.path, 503 if cold else 200)
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 - as the library has it
        pass


@pytest.fixture
def site() -> Iterator[tuple[str, list[str]]]:
    visits: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Pages,), {"visits": visits}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", visits
    server.shutdown()
    thread.join()
    server.server_close()


def run(directory: Path, paths: list[Json], targets: list[Json], deadline_ms: int = 20_000) -> dict[str, Any]:
    arguments: Json = {"paths": paths, "targets": targets, "deadline_ms": deadline_ms}
    return cast("dict[str, Any]", warm(arguments, directory, threading.Event()))


@pytest.mark.req("R5")
def test_each_path_is_fetched_until_it_answers(site: tuple[str, list[str]], tmp_path: Path) -> None:
    url, visits = site
    result = run(tmp_path, ["/cold", "/moved", "/"], [url])
    assert result["passed"] is True
    assert visits == ["/cold", "/cold", "/cold", "/moved", "/"]
    assert [(answer["name"], answer["status"], answer["attempts"]) for answer in result["answers"]] == [
        ("/cold", 200, 3),
        ("/moved", 302, 1),
        ("/", 200, 1),
    ]
    assert result["answers"][0]["duration_ms"] > 0


def test_a_path_that_never_answers_fails_at_the_deadline(site: tuple[str, list[str]], tmp_path: Path) -> None:
    url, _ = site
    result = run(tmp_path, ["/gone", "/"], [url], 500)
    assert result["passed"] is False
    assert [answer["why"] for answer in result["answers"]] == [
        "answered 404",
        "not fetched: the deadline was over",
    ]


@pytest.mark.req("R5")
def test_the_path_of_an_edge_is_kept_and_every_target_is_visited(
    site: tuple[str, list[str]], tmp_path: Path
) -> None:
    url, visits = site
    result = run(tmp_path, ["/a"], [f"{url}/shop/", "http://127.0.0.1:1"], 500)
    assert set(visits) == {"/shop/a"}
    assert [answer["passed"] for answer in result["answers"]] == [True, False]
    assert result["answers"][1]["why"] == "the connection was refused"


@pytest.mark.parametrize(
    ("paths", "targets", "code"),
    [
        ([], ["http://127.0.0.1:1"], "no-paths"),
        (["/"], [], "no-targets"),
        (["a"], ["http://127.0.0.1:1"], "bad-arguments"),
        (["/"], ["ftp://x"], "bad-arguments"),
    ],
)
def test_warming_nothing_is_no_pass(
    tmp_path: Path, paths: list[Json], targets: list[Json], code: str
) -> None:
    with pytest.raises(ProblemError) as failure:
        run(tmp_path, paths, targets)
    assert failure.value.problems[0].code == code


def test_warming_that_is_told_to_stop_says_so(site: tuple[str, list[str]], tmp_path: Path) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(ProblemError) as failure:
        warm({"paths": ["/gone"], "targets": [site[0]], "deadline_ms": 60_000}, tmp_path, stop)
    assert failure.value.problems[0].code == "warm-stopped"
