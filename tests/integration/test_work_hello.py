"""The sample service: its repository, its releases, and how it behaves under load and when it leaves."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from examples.hello.make_repository import RELEASES, make_repository
from tests.integration.hello import Hello
from tests.integration.scripted import Visitor, serving
from tminus.adapters.git.build import build
from tminus.adapters.git.git_releases import GitReleases
from tminus.adapters.http.load import run_load
from tminus.adapters.http.load_spec import LoadResult, LoadSpec
from tminus.adapters.http.smoke import smoke
from tminus.domain.canonical import Json

pytestmark = pytest.mark.integration

SUITE: list[Json] = [
    {
        "name": "POST /auth/login",
        "method": "POST",
        "path": "/auth/login",
        "body": '{"user": "ada", "password": "engine"}',
        "expect_json": [["/user", '"ada"']],
        "capture": [["token", "/token"]],
    },
    {
        "name": "GET /dashboard",
        "method": "GET",
        "path": "/dashboard",
        "headers": [["Authorization", "Bearer {token}"]],
        "expect_json": [["/payments", "0"]],
    },
    {
        "name": "POST /payments",
        "method": "POST",
        "path": "/payments",
        "body": '{"amount": 5}',
        "expect_status": [201],
        "expect_json": [["/paid", "true"], ["/amount", "5"]],
    },
]


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each tag's artifact, built as a launch builds it."""
    directory = tmp_path_factory.mktemp("hello")
    commits = make_repository(directory / "repository")
    found = {}
    for tag, commit in commits.items():
        arguments: dict[str, Json] = {
            "repository": str(directory / "repository"),
            "tag": tag,
            "commit": commit,
            "command": ["python3", "build.py"],
            "artifacts_directory": str(directory / "artifacts"),
        }
        result = build(arguments, directory, threading.Event())
        assert isinstance(result, dict)
        found[tag] = directory / "artifacts" / str(result["digest"]).removeprefix("sha256:")
    return found


def load(hello: Hello, *, rate: int, seconds: int, count: int | None = None) -> LoadResult:
    return run_load(
        LoadSpec(
            hello.url, rate, seconds, ("/", "/dashboard"), "/payments", count=count, run=f"test-{hello.port}"
        )
    )


def test_the_repository_is_the_same_wherever_it_is_made(tmp_path: Path) -> None:
    first = make_repository(tmp_path / "first")
    assert make_repository(tmp_path / "second") == first
    assert list(first) == list(RELEASES)
    releases = GitReleases(tmp_path / "first", {"PATH": "/usr/bin:/bin:/usr/local/bin"})
    for tag, commit in first.items():
        reading = releases.read_tag(tag)
        assert (reading.commit, reading.annotated) == (commit, True)
    assert releases.dirty_paths() == ()


def test_a_repository_is_not_made_over_something_else(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("", encoding="utf-8")
    with pytest.raises(FileExistsError):
        make_repository(tmp_path)


def test_artifacts_differ_and_say_what_they_are(artifacts: dict[str, Path]) -> None:
    assert len(set(artifacts.values())) == len(RELEASES)
    for tag, path in artifacts.items():
        assert f"v{json.loads((path / 'build.json').read_bytes())['release']}" == tag


@pytest.mark.parametrize("tag", list(RELEASES))
def test_every_release_passes_its_smoke_suite(artifacts: dict[str, Path], tag: str, tmp_path: Path) -> None:
    with Hello(artifacts[tag]) as hello:
        result = smoke({"requests": SUITE, "targets": [hello.url]}, tmp_path, threading.Event())
    assert isinstance(result, dict)
    assert result["passed"], result


def test_a_good_release_serves_every_request(artifacts: dict[str, Path]) -> None:
    with Hello(artifacts["v1.1.0"], slot="green") as hello:
        result = load(hello, rate=400, seconds=2)
    assert (result.total.sent, result.total.answered) == (800, 800)
    assert (list(result.slots), list(result.releases)) == (["green"], ["1.1.0"])
    assert [kind.sent for kind in result.kinds.values()] == [576, 64, 160]
    assert result.statuses == {"200": 640, "201": 160}


def test_the_bad_release_fails_a_share_once_it_has_served_enough(artifacts: dict[str, Path]) -> None:
    with Hello(artifacts["v1.2.0"]) as hello:
        calm = load(hello, rate=200, seconds=5, count=60)
        busy = load(hello, rate=200, seconds=5, count=600)
    assert calm.total.not_served == 0
    assert 0.08 < busy.total.failed / busy.total.sent < 0.2
    assert busy.total.lost == busy.total.cut == 0
    assert {failure.status for failure in busy.failures} == {500}
    assert {failure.served_by for failure in busy.failures} == {"1.2.0"}


def test_a_payment_sent_twice_shows_in_whatever_instance_is_asked(
    artifacts: dict[str, Path], tmp_path: Path
) -> None:
    environment = {"HELLO_LEDGER": str(tmp_path / "ledger")}
    with (
        Hello(artifacts["v1.0.0"], environment=environment) as blue,
        Hello(artifacts["v1.1.0"], environment=environment) as green,
    ):
        pay: dict[str, Json] = {
            "name": "pay",
            "method": "POST",
            "path": "/payments",
            "headers": [["Idempotency-Key", "same"]],
            "body": "{}",
            "expect_status": [201],
        }
        look: dict[str, Json] = {
            "name": "look",
            "method": "GET",
            "path": "/payments/stats",
            "expect_json": [["/ledger_payments", "2"], ["/ledger_duplicates", "1"], ["/duplicates", "0"]],
        }
        for requests, hello in ([pay], blue), ([pay, look], green):
            result = smoke({"requests": list(requests), "targets": [hello.url]}, tmp_path, threading.Event())
            assert isinstance(result, dict)
            assert result["passed"], result


def test_leaving_finishes_what_runs_and_closes_kept_connections(artifacts: dict[str, Path]) -> None:
    with Hello(artifacts["v1.0.0"]) as hello:
        told = threading.Timer(0.5, hello.terminate)
        told.start()
        result = load(hello, rate=300, seconds=2)
        told.join()
        assert hello.wait() == 0
    assert result.total.cut == result.total.failed == 0
    # What comes after it has left is turned away; nothing that it took is left without an answer.
    turned_away = {"the connection was refused", "the connection was reset"}
    assert {failure.why for failure in result.failures} <= turned_away
    assert result.total.answered > 100


def test_a_killed_service_is_told_from_one_that_answers(artifacts: dict[str, Path]) -> None:
    with Hello(artifacts["v1.0.0"]) as hello:
        killed = threading.Timer(0.5, hello.kill)
        killed.start()
        result = load(hello, rate=300, seconds=2)
        killed.join()
    served = result.releases["1.0.0"]
    assert served.count == result.total.answered
    assert 0 < result.total.answered < result.total.sent == 600
    assert result.total.lost + result.total.cut == 600 - served.count
    assert min(failure.ended_us for failure in result.failures) >= served.first_started_us


def test_load_counts_what_is_cut_and_what_never_answers() -> None:
    def script(visitor: Visitor, number: int) -> None:
        visitor.request()
        if number % 2:
            visitor.say(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        else:
            visitor.request()

    with serving(script) as server:
        result = run_load(LoadSpec(server.url, 50, 1, count=40, limit_ms=400))
    assert result.total.sent == 40
    assert result.total.answered == result.total.failed == 0
    assert result.total.cut + result.total.lost == 40
    assert (result.total.cut, result.total.lost) == (20, 20)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rate_per_s", 5_001),
        ("rate_per_s", 0),
        ("seconds", 3_601),
        ("connections", 513),
        ("new_percent", 101),
    ],
)
def test_load_without_bounds_is_refused(field: str, value: int) -> None:
    fields: dict[str, Any] = {"rate_per_s": 1, "seconds": 1} | {field: value}
    with pytest.raises(ValueError, match=f"^{field} is {value}, it must lie in "):
        LoadSpec("http://127.0.0.1:1", **fields)
