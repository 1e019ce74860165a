"""A service comes under tminus as it runs, and goes from it as it runs; its users notice neither."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Self

import pytest

from examples.hello.make_repository import HERE, make_repository
from tests.dataplane.plane import ask, free_port
from tests.integration.hello import Hello
from tminus.adapters.haproxy.binary import find_binary
from tminus.adapters.http.load import run_load
from tminus.adapters.http.load_spec import LoadResult, LoadSpec
from tminus.wiring import open_home

pytestmark = [pytest.mark.integration, pytest.mark.slow]

VERB_LIMIT_S = 90
USERS_PER_S = 60


class Users:
    """Bounded load on one port while the `with` block runs."""

    def __init__(self, port: int, name: str, count: int | None = None) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._result: LoadResult | None = None
        self._spec = LoadSpec(
            f"http://127.0.0.1:{port}",
            USERS_PER_S,
            seconds=180,
            paths=("/", "/healthz"),
            post_path="/payments",
            post_body='{"amount": 1}',
            post_percent=40,
            connections=8,
            count=count,
            run=name,
        )

    def _run(self) -> None:
        self._result = run_load(self._spec, self._stop)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def result(self) -> LoadResult:
        assert self._result is not None
        return self._result

    def wait(self) -> None:
        """Returns when `count` requests have their fate."""
        self._thread.join()

    def assert_nothing_lost(self) -> None:
        total = self.result.total
        assert (total.lost, total.cut, total.failed) == (0, 0, 0), self.result.failures[:3]
        assert total.answered > USERS_PER_S


class Shop:
    """The sample service: its repository, plans for it, and a home of tminus."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        make_repository(directory / "repository")
        self.home = open_home(directory / "home", {**os.environ, "TMINUS_HOME": str(directory / "home")})

    def tree(self, tag: str) -> Path:
        """The files of a release, to be run by hand."""
        target = self.directory / tag
        target.mkdir()
        packed = subprocess.run(
            ["git", "-C", str(self.directory / "repository"), "archive", tag],
            check=True,
            capture_output=True,
            timeout=30,
        )
        subprocess.run(["tar", "x", "-C", str(target)], input=packed.stdout, check=True, timeout=30)
        return target

    def plan(self, version: str, port: int, **changes: str) -> Path:
        """A plan of the release that listens on `port`, with some lines of the sample's plan changed."""
        text = (HERE / "launch.yaml").read_text(encoding="utf-8")
        text = text.replace("@VERSION@", version).replace("@PORT@", str(port))
        text = text.replace("repository: .", "repository: repository").replace("instances: 3", "instances: 2")
        # How fast this machine answers is no part of any story, and it may have much else to do.
        text = re.sub(r"p95: \d+ms", "p95: 3s", text) + "lease: {shift: 3s, bake: 30s}\n"
        # Few users: half of them give a class its evidence within seconds.
        changes = {"shift": "{steps: [50, 100], each: 1s, deadline: 60s}", **changes}
        for key, line in changes.items():
            text, found = re.subn(rf"^{key}: .*$", f"{key}: {line}", text, flags=re.MULTILINE)
            assert found == 1
        path = self.directory / f"launch-{version}-{port}.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "tminus.cli.main", *arguments],
            cwd=self.directory,
            env=dict(self.home.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        """Exit code and everything that was said."""
        process = self.start(*arguments)
        try:
            said, complaint = process.communicate(timeout=VERB_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            said, complaint = process.communicate()
        return process.returncode, said + complaint

    def pids(self) -> dict[str, int]:
        programs = self.home.supervisor("hello", "production").programs()
        return {name: reading.pid for name, reading in programs.items()}


@contextmanager
def opened(directory: Path) -> Iterator[Shop]:
    shop = Shop(directory)
    try:
        yield shop
    finally:
        shop.home.supervisor("hello", "production").shutdown()
        shop.home.close()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with opened(tmp_path) as made:
        yield made


@contextmanager
def ended_by_pid(shop: Shop) -> Iterator[dict[str, int]]:
    """What is noted here is killed in the end: nobody else would stop what tminus has left."""
    noted: dict[str, int] = {}
    try:
        yield noted
    finally:
        for pid in noted.values():
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)


@contextmanager
def running(shop: Shop, count: int = 2) -> Iterator[list[Hello]]:
    """Instances of v1.0.0 that somebody else started."""
    tree = shop.tree("v1.0.0")
    ledger = {"HELLO_LEDGER": str(shop.directory / "ledger")}
    with ExitStack() as stack:
        yield [stack.enter_context(Hello(tree, slot="own", environment=ledger)) for _ in range(count)]


def addresses(instances: list[Hello]) -> list[str]:
    return [word for each in instances for word in ("--address", f"127.0.0.1:{each.port}")]


def adopt(shop: Shop, plan: Path, instances: list[Hello]) -> tuple[int, str]:
    return shop.run("adopt", str(plan), "--plain", *addresses(instances))


@pytest.mark.req("R6")
def test_a_running_service_is_adopted_and_then_launched_without_a_lost_request(shop: Shop) -> None:
    port = free_port()
    with running(shop) as own:
        with Users(own[0].port, "old") as old:
            code, said = adopt(shop, shop.plan("1.0.0", port), own)
            assert code == 0, said
            with Users(port, "new") as new:
                code, said = shop.run("launch", str(shop.plan("1.1.0", port)), "--plain")
                assert code == 0, said
        old.assert_nothing_lost()
        new.assert_nothing_lost()
        assert set(new.result.releases) == {"1.0.0", "1.1.0"}
        assert [ask(each.port, "/healthz")[0] for each in own] == [200, 200]
    assert "Loss meter: 0 of " in said


def test_a_rollback_from_the_bake_returns_to_the_adopted_instances(shop: Shop) -> None:
    port = free_port()
    with running(shop) as own:
        code, said = adopt(shop, shop.plan("1.0.0", port), own)
        assert code == 0, said
        with Users(port, "users") as users:
            launch = shop.start(
                "launch", str(shop.plan("1.1.0", port, bake="{for: 10m, reading: 1s}")), "--plain"
            )
            with followed(launch):
                await_line(launch, "Bake for")
                code, said = shop.run("rollback", "hello")
                assert code == 0, said
                said, _ = launch.communicate(timeout=VERB_LIMIT_S)
            assert launch.returncode == 3, said
        users.assert_nothing_lost()
        last = users.result.releases["1.0.0"].last_started_us
        assert last > users.result.releases["1.1.0"].last_started_us
        assert [ask(each.port, "/healthz")[0] for each in own] == [200, 200]


@contextmanager
def followed(launch: "subprocess.Popen[str]") -> Iterator[None]:
    """Waits for a launch in the end; where the test has failed, nobody is there to end it by an order."""
    with launch:
        try:
            yield
        except BaseException:
            launch.kill()
            raise


def await_line(launch: "subprocess.Popen[str]", text: str) -> None:
    assert launch.stdout is not None
    said = ""
    for line in launch.stdout:
        said += line
        if text in line:
            return
    raise AssertionError(f"the launch ended without {text!r}:\n{said}")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def launch_first(shop: Shop, port: int, users: Users, stack: ExitStack) -> None:
    """A first launch, with users from the moment at which it answers."""
    launch = shop.start("launch", str(shop.plan("1.0.0", port)), "--plain")
    with followed(launch):
        await_line(launch, "Starting the loss meter")
        stack.enter_context(users)
        said, complaint = launch.communicate(timeout=VERB_LIMIT_S)
    assert launch.returncode == 0, said + complaint


def test_tminus_leaves_under_load_and_comes_back_without_a_lost_request(shop: Shop) -> None:
    port, other_port = free_port(), free_port()
    users = Users(port, "users")
    target = shop.directory / "left"
    with ended_by_pid(shop) as pids, ExitStack() as stack:
        launch_first(shop, port, users, stack)
        pids.update(shop.pids())
        supervisor = shop.home.supervisor("hello", "production")
        code, said = shop.run("leave", "hello", "--to", str(target))
        assert code == 0, said
        assert supervisor.running() == 0
        assert {name: alive(pid) for name, pid in pids.items()} == dict.fromkeys(pids, True)

        options = re.findall(r"--address \S+", said)
        assert len(options) == 2
        code, refused = shop.run("launch", str(shop.plan("1.1.0", other_port)), "--plain")
        assert (code, "[service-left]" in refused) == (1, True), refused
        words = [word for option in options for word in option.split()]
        code, said = shop.run("adopt", str(shop.plan("1.0.0", other_port)), "--plain", *words)
        assert code == 0, said
        with Users(other_port, "more", count=2 * USERS_PER_S) as more:
            more.wait()
        assert {name: alive(pid) for name, pid in pids.items()} == dict.fromkeys(pids, True)
    users.assert_nothing_lost()
    more.assert_nothing_lost()
    assert set(users.result.releases) == {"1.0.0"}
    assert set(more.result.releases) == {"1.0.0"}
    assert_usable(target)


def assert_usable(target: Path) -> None:
    """HAProxy and systemd take what was written."""
    names = sorted(path.name for path in target.iterdir())
    units = [f"hello-{name}.service" for name in ("blue-1", "blue-2", "router")]
    assert names == sorted(["README.md", "haproxy.cfg", *units])
    checked = subprocess.run(
        [find_binary().path, "-c", "-f", target / "haproxy.cfg"], capture_output=True, check=False, timeout=30
    )
    assert checked.returncode == 0, checked.stderr
    analyse = shutil.which("systemd-analyze")
    if analyse is not None:
        verified = subprocess.run(
            [analyse, "verify", *(target / unit for unit in units)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert str(target) not in verified.stderr, verified.stderr


def test_leaving_is_refused_where_nothing_runs_and_during_a_launch(shop: Shop) -> None:
    port = free_port()
    code, said = shop.run("leave", "hello")
    assert (code, "[launch-not-found]" in said) == (1, True), said
    with running(shop) as own:
        plan = shop.plan("1.0.0", port, watch="{for: 10m, reading: 1s}", bake="{for: 10m, reading: 1s}")
        launch = shop.start("adopt", str(plan), "--plain", *addresses(own))
        with followed(launch):
            await_line(launch, "Deploy to blue")
            code, said = shop.run("leave", "hello")
            assert (code, "[leave-launch-open]" in said) == (1, True), said
            launch.communicate(timeout=VERB_LIMIT_S)
        code, said = shop.run("leave", "hello", "--to", str(shop.directory))
        assert (code, "[leave-not-empty]" in said) == (1, True), said
        assert shop.home.supervisor("hello", "production").running()


def test_an_adoption_that_cannot_work_is_refused_with_every_reason(shop: Shop) -> None:
    port, dead = free_port(), free_port()
    with running(shop) as own:
        busy = own[0].port
        code, said = shop.run("adopt", str(shop.plan("1.0.0", busy)), "--address", f"localhost:{busy}")
        assert (code, "[adopt-same-address]" in said) == (1, True), said
        code, said = shop.run("adopt", str(shop.plan("1.0.0", busy)), "--address", f"127.0.0.1:{own[1].port}")
        assert (code, "[port-taken]" in said) == (1, True), said
        code, said = shop.run("adopt", str(shop.plan("1.0.0", port)), "--address", f"127.0.0.1:{dead}")
        assert (code, "[adopt-unhealthy]" in said, "refuses connections" in said) == (1, True, True), said
        code, said = shop.run("adopt", str(shop.plan("1.0.0", port)), "--address", "nowhere")
        assert (code, "[adopt-bad-address]" in said) == (1, True), said
        assert adopt(shop, shop.plan("1.0.0", port), own)[0] == 0
        code, said = adopt(shop, shop.plan("1.0.0", port), own)
        assert (code, "[adopt-has-stable]" in said) == (1, True), said
