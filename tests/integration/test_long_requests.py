"""Websockets, streams, slow answers and uploads across a switch: each has its own time, a cut is told."""

import base64
import contextlib
import http.client
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.dataplane.load import Load
from tests.dataplane.plane import ask, free_port
from tminus.domain.launch import event as ev
from tminus.domain.launch.command import CutSlot
from tminus.wiring import Home, open_home

pytestmark = [pytest.mark.integration, pytest.mark.slow]

SERVICE = Path(__file__).with_name("long_service.py")
METER, SWITCHED = "Starting the loss meter", "Verify live traffic"  # lines of the log
LAUNCH_LIMIT_S = 90
TALK_LIMIT_S = 60
UPLOAD_PAUSE_S = 1.0  # between tenths: an upload outlasts the switch
PLAN = """\
service: long
version: {version}
source: {{repository: repository, tag: v{version}}}
run: {{command: "{python} long_service.py {{port}}", instances: 2, boot: 30s, stop: 2s}}
listen: 127.0.0.1:{port}
routes:
  live: {{paths: [/live], traffic: websocket, drain: 2s}}
  feed: {{paths: [/stream], traffic: stream, drain: 8s}}
  upload: {{paths: [/upload]}}
shift: {{steps: [100], each: 1s, deadline: 60s}}
verify: {{for: 2s, reading: 1s, targets: [{{error_rate: 1 %, over: 2s}}]}}
bake: {{for: 1s, reading: 1s}}
watch: {{for: 1s, reading: 1s}}
triggers: [{{error_rate: 5 %, over: 5s, then: rollback}}, {{p95: 500ms, over: 5s, then: rollback}}]
meter: {{get: /healthz, rate: 30/s}}
drain: 20s
"""


class Socket:
    """A websocket client that says a word and hears it back."""

    def __init__(self, port: int) -> None:
        self._connection = socket.create_connection(("127.0.0.1", port), TALK_LIMIT_S)
        key = base64.b64encode(b"0123456789abcdef").decode()
        self._connection.sendall(
            b"GET /live HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key.encode() + b"\r\n\r\n"
        )
        self._file = self._connection.makefile("rb")
        head = b"".join(iter(self._file.readline, b"\r\n")).decode()
        assert " 101 " in head
        self.slot = head.lower().partition("x-slot: ")[2].split()[0]

    def echo(self, word: bytes) -> bytes:
        """What came back; nothing once the connection was cut."""
        masked = bytes(byte ^ 7 for byte in word)
        with contextlib.suppress(OSError):
            self._connection.sendall(bytes((0x81, 0x80 | len(word))) + b"\x07" * 4 + masked)
            head = self._file.read(2)
            return self._file.read(head[1]) if len(head) == 2 else b""
        return b""

    def until_cut(self) -> None:
        """Returns when the other side ends the connection."""
        with contextlib.suppress(ConnectionResetError):
            assert self._file.read(1) == b""

    def close(self) -> None:
        self._file.close()
        self._connection.close()


class Talk:
    """A request in a thread of its own; `body` and `slot` are what came of it."""

    def __init__(
        self, port: int, method: str, target: str, *, upload_bytes: int = 0, pause_s: float = 0
    ) -> None:
        self.body = ""
        self.slot = ""
        self.error = ""
        self._upload_bytes = upload_bytes
        self._thread = threading.Thread(target=self._run, args=(port, method, target))
        self._begun = threading.Event()
        self._thread.start()
        assert self._begun.wait(TALK_LIMIT_S)

    def _run(self, port: int, method: str, target: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TALK_LIMIT_S)
        length = self._upload_bytes
        try:
            connection.putrequest(method, target)
            if method == "POST":
                connection.putheader("Content-Length", str(length))
            connection.endheaders()
            self._begun.set()
            for _ in range(10 if length else 0):
                connection.send(b"u" * (length // 10))
                threading.Event().wait(UPLOAD_PAUSE_S)
            response = connection.getresponse()
            self.slot = response.headers["X-Slot"]
            self.body = response.read().decode()
        except (OSError, http.client.HTTPException) as error:
            self.error = type(error).__name__
        finally:
            self._begun.set()
            connection.close()

    def wait(self) -> "Talk":
        self._thread.join(TALK_LIMIT_S)
        assert not self._thread.is_alive()
        return self


class Long:
    """The service, launched by the program itself."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.home: Home = open_home(
            directory / "home", {**os.environ, "TMINUS_HOME": str(directory / "home")}
        )
        repository = directory / "repository"
        repository.mkdir()
        shutil.copy(SERVICE, repository / "long_service.py")
        self._git("init", "--quiet")
        for version in ("1.0.0", "2.0.0"):
            (repository / "VERSION").write_text(version, encoding="utf-8")
            self._git("add", "--all")
            self._git("commit", "--quiet", "--message", version)
            self._git("tag", "--annotate", f"v{version}", "--message", version)

    def _git(self, *arguments: str) -> None:
        who = ["-c", "user.name=Long", "-c", "user.email=long@example.org"]
        subprocess.run(
            ["git", "-C", str(self.directory / "repository"), *who, *arguments], check=True, timeout=30
        )

    def launch(self, version: str, calls: Mapping[str, Callable[[], None]]) -> str:
        """Launches, and returns what was said; `calls` are made once each, at their line."""
        left = dict(calls)
        plan = self.directory / f"{version}.yaml"
        plan.write_text(PLAN.format(version=version, port=self.port, python=sys.executable), encoding="utf-8")
        launch = subprocess.Popen(
            [sys.executable, "-m", "tminus.cli.main", "launch", str(plan), "--plain"],
            env=dict(self.home.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        watchdog = threading.Timer(LAUNCH_LIMIT_S, launch.kill)
        watchdog.start()
        said = ""
        with launch:
            assert launch.stdout is not None
            for line in launch.stdout:
                said += line
                for text in [text for text in left if text in line]:
                    left.pop(text)()
        watchdog.cancel()
        assert launch.returncode == 0, said
        return said

    def cuts(self, launch: str) -> list[tuple[str, str]]:
        """Class and note of every cut that the journal tells."""
        intended: dict[str, CutSlot] = {}
        told = []
        for record in self.home.store.journal.read(launch, 0):
            event = ev.decode(record.kind, record.version, record.body)
            if isinstance(event, ev.CommandIntended) and isinstance(event.command, CutSlot):
                intended[event.key] = event.command
            elif isinstance(event, ev.CommandPerformed) and event.key in intended:
                told.append((intended[event.key].route_class, event.note))
        return told


@pytest.fixture
def long(tmp_path: Path) -> Iterator[Long]:
    made = Long(tmp_path)
    try:
        yield made
    finally:
        made.home.supervisor("long", "production").shutdown()
        made.home.close()


class Clients:
    """Everybody who has something long under way when traffic moves."""

    def __init__(self, port: int) -> None:
        self.port = port

    def begin(self) -> None:
        port = self.port
        self.sockets = [Socket(port) for _ in range(2)]
        assert [each.echo(b"hello") for each in self.sockets] == [b"hello"] * 2
        self.feed = Talk(port, "GET", "/stream?pulses=200")
        self.endless = Talk(port, "GET", "/stream?pulses=2000")
        self.slow = Talk(port, "GET", "/?wait_ms=10000")
        self.upload = Talk(port, "POST", "/upload", upload_bytes=5_000_000)

    def talk_on(self) -> None:
        """Traffic has moved, and the old conversations go on where they began."""
        assert [each.echo(b"still here") for each in self.sockets] == [b"still here"] * 2


def _ignore(_: object) -> None:
    return None


@pytest.mark.req("R6")
def test_each_class_has_its_own_time_and_what_is_left_is_cut_and_counted(long: Long) -> None:
    with ExitStack() as stack:
        users = Load(long.port, rate=60)
        long.launch("1.0.0", {METER: lambda: _ignore(stack.enter_context(users))})
        one = Clients(long.port)
        said = long.launch("2.0.0", {METER: one.begin, SWITCHED: one.talk_on})
    assert ask(long.port)[1].split()[0] == "green"
    for each in one.sockets:
        assert each.slot == "blue"
        each.until_cut()
        each.close()
    assert (one.feed.wait().slot, one.feed.body) == ("blue", "x" * 200)
    assert (one.slow.wait().body, one.slow.error) == ("blue 0", "")
    assert (one.upload.wait().body, one.upload.error) == ("blue 5000000", "")
    assert (one.endless.wait().slot, one.endless.error) == ("blue", "IncompleteRead")
    assert long.cuts("long-2.0.0") == [
        ("live", "2 cut after the drain deadline of live, 2s"),
        ("feed", "1 cut after the drain deadline of feed, 8s"),
    ]
    assert "2 cut after the drain deadline of live, 2s" in said
    assert "1 cut after the drain deadline of feed, 8s" in said
    assert users.report.losses == []
