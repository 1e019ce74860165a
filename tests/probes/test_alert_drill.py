"""A drill through a real Alertmanager to a real webhook."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from tests.integration.observability import Daemon, free_port, output
from tests.probes.repository import LIMIT_MS, Repository, ask, made
from tminus.domain.plan.times import Millis
from tminus.domain.readiness.answer import Answer
from tminus.domain.readiness.verdict import Outcome
from tminus.probes.alert_drill import ALERT_DRILL, AlertDrillSettings

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.req("R15", "R17")]
LOCAL = "127.0.0.1"
START_S = 60.0


@dataclass
class Hook:
    """Writes down what it is sent."""

    log: Path
    port: int = 0
    deaf: threading.Event = field(default_factory=threading.Event)


@pytest.fixture(scope="module")
def hook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hook]:
    found = Hook(tmp_path_factory.mktemp("hook") / "received.log")
    found.log.touch()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if not found.deaf.is_set():
                with found.log.open("ab") as log:
                    log.write(body + b"\n")
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            pass

    server = ThreadingHTTPServer((LOCAL, 0), Handler)
    server.daemon_threads = True
    found.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def alertmanager(hook: Hook, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("alertmanager"), free_port()
    config = {
        "route": {"receiver": "team", "group_by": ["..."], "group_wait": "100ms", "group_interval": "1s"},
        "receivers": [{"name": "team", "webhook_configs": [{"url": f"http://{LOCAL}:{hook.port}/"}]}],
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    arguments = ["--config.file=config.yaml", "--storage.path=data", f"--web.listen-address={LOCAL}:{port}"]
    daemon = Daemon("prometheus-alertmanager", folder, [*arguments, "--cluster.listen-address="])
    daemon.start()
    try:
        until(lambda: ready(port), daemon.said)
        yield f"http://{LOCAL}:{port}"
    finally:
        daemon.stop()


def ready(port: int) -> bool:
    connection = HTTPConnection(LOCAL, port, timeout=5)
    try:
        connection.request("GET", "/-/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def until(look: Callable[[], bool], said: Callable[[], str]) -> None:
    ends_at = time.monotonic() + START_S
    while not look():
        assert time.monotonic() < ends_at, said()
        time.sleep(0.05)


def drill(repository: Repository, url: str, limit_ms: int = LIMIT_MS, **settings: object) -> Answer:
    return ask(ALERT_DRILL, made(AlertDrillSettings, url, **settings), repository.around(), limit_ms)


def active(url: str) -> str:
    return output("amtool", "--alertmanager.url", url, "alert", "query", "--output=json")


def test_a_drill_becomes_active_arrives_and_is_ended(
    repository: Repository, alertmanager: str, hook: Hook
) -> None:
    answer = drill(repository, alertmanager, receiver="team", received=str(hook.log))
    assert answer.outcome is Outcome.PASS, answer.why
    assert answer.why.startswith("the alert is active and goes to team; it came to ")
    assert dict(answer.facts).keys() == {"active_ms", "received_ms"}
    assert "TminusDrill" in hook.log.read_text(encoding="utf-8")
    # What was resolved stands in no list of active alerts; Alertmanager forgets it within a moment.
    until(lambda: "TminusDrill" not in active(alertmanager), lambda: active(alertmanager))


def test_another_receiver_and_a_silence_fail(repository: Repository, alertmanager: str) -> None:
    other = drill(repository, alertmanager, receiver="on-call")
    assert (other.outcome, other.why) == (Outcome.FAIL, "team is told, and not on-call")
    silence = ("--comment=x", "--author=anna", "--duration=1h", "alertname=SilencedDrill")
    output("amtool", "--alertmanager.url", alertmanager, "silence", "add", *silence)
    silenced = drill(repository, alertmanager, alertname="SilencedDrill")
    assert (silenced.outcome, silenced.why) == (Outcome.FAIL, "the drill is silenced: nobody would be told")


def test_what_does_not_come_to_the_receiver_fails_when_its_time_is_over(
    repository: Repository, alertmanager: str, hook: Hook
) -> None:
    hook.deaf.set()
    try:
        within = drill(repository, alertmanager, received=str(hook.log), within=Millis(1_500))
        assert within.outcome is Outcome.FAIL
        assert within.why.endswith("received.log within 1s500ms")
        shorter = drill(repository, alertmanager, limit_ms=3_000, received=str(hook.log))
        assert shorter.outcome is Outcome.INCONCLUSIVE
        unseen = drill(repository, alertmanager, limit_ms=3_000, received="none.log")
        assert unseen.outcome is Outcome.INCONCLUSIVE
        assert "cannot be seen: none.log: No such file" in unseen.why
    finally:
        hook.deaf.clear()


def test_without_an_alertmanager_nothing_is_learnt(repository: Repository) -> None:
    gone = drill(repository, f"http://{LOCAL}:{free_port()}")
    assert (gone.outcome, gone.why) == (Outcome.INCONCLUSIVE, "the connection was refused")
