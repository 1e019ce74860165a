"""The probe redis against a cluster of six processes, and against one server with a replica."""

import dataclasses
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.integration.observability import Daemon, free_port, program
from tests.probes.asked import ask, fact, told
from tests.probes.authority import Authority
from tminus.adapters.redis.resp import RedisConnection, RedisRefusedError, RespError
from tminus.probes.redis import REDIS, RedisSettings
from tminus.testing.contract.probes import MARKER, REFERENCE
from tminus.testing.liars import Scene, lying

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.req("R13")]

LIMIT_S = 60.0
LOOPBACK = "127.0.0.1"
SMALL = (
    "--save",
    "",
    "--appendonly",
    "no",
    "--bind",
    LOOPBACK,
    "--requirepass",
    MARKER,
    "--masterauth",
    MARKER,
)


class Server:
    """A Redis of its own in a folder of its own."""

    def __init__(self, folder: Path, port: int, *more: str) -> None:
        folder.mkdir()
        self.port = port
        self.address = f"{LOOPBACK}:{port}"
        self._daemon = Daemon("redis-server", folder, ["--port", str(port), *SMALL, *more])

    def start(self) -> "Server":
        self._daemon.start()
        until(self.answers, self._daemon)
        return self

    def stop(self) -> None:
        self._daemon.stop()

    def answers(self) -> bool:
        try:
            return self.say("PING") == "PONG"
        except OSError:
            return False

    def say(self, *words: str) -> object:
        with RedisConnection(LOOPBACK, self.port, 5) as connection:
            connection.call("AUTH", MARKER)
            return connection.call(*words)


def until(look: Callable[[], bool], daemon: Daemon | None = None) -> None:
    ends_at = time.monotonic() + LIMIT_S
    while not look():
        assert time.monotonic() < ends_at, daemon.said() if daemon else ""
        time.sleep(0.05)


def cluster_port() -> int:
    """A free port of which the one for the cluster's own bus, 10000 above, is a port too."""
    while (port := free_port()) > 55_000:
        continue
    return port


def settings(servers: Sequence[Server], **more: object) -> RedisSettings:
    addresses = tuple(server.address for server in servers)
    return RedisSettings(addresses, REFERENCE, **more)  # type: ignore[arg-type] # what a test gives


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    folder = tmp_path_factory.mktemp("cluster")
    more = ("--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--repl-diskless-sync-delay", "0")
    servers = [Server(folder / str(number), cluster_port(), *more) for number in range(6)]
    try:
        for server in servers:
            server.start()
        made = [program("redis-cli"), "--cluster", "create", *(server.address for server in servers)]
        made += ["--cluster-replicas", "1", "--cluster-yes"]
        done = subprocess.run(
            made, env={"REDISCLI_AUTH": MARKER}, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        wanted = settings(servers, cluster=True, masters=3, replicas=1)
        until(lambda: told(ask(REDIS, wanted))[0] == "pass")
        yield servers
    finally:
        for server in servers:
            server.stop()


def test_a_whole_cluster_passes(cluster: list[Server]) -> None:
    answer = ask(REDIS, settings(cluster, cluster=True, masters=3, replicas=1))
    expected = "the cluster is whole, 6 servers answer, 3 masters with 1 replicas or more"
    assert told(answer) == ("pass", expected)
    assert (fact(answer, "masters"), fact(answer, "replicas"), fact(answer, "answered")) == (3, 3, 6)


def test_one_server_of_a_cluster_knows_of_the_others(cluster: list[Server]) -> None:
    assert told(ask(REDIS, settings(cluster[:1], cluster=True, masters=3, replicas=1)))[0] == "pass"


def test_a_cluster_that_is_smaller_than_wanted_fails(cluster: list[Server]) -> None:
    few = told(ask(REDIS, settings(cluster, cluster=True, masters=4)))
    bare = told(ask(REDIS, settings(cluster, cluster=True, masters=3, replicas=2)))
    assert few == ("fail", "it has 3 masters, wanted at least 4")
    assert bare == ("fail", "a master has 1 replicas, wanted at least 2")


def test_a_cluster_with_a_slot_that_nobody_serves_fails(cluster: list[Server]) -> None:
    owner = next(each for each in cluster if "myself,master" in str(each.say("CLUSTER", "NODES")))
    slot = str(owner.say("CLUSTER", "SLOTS")).partition("[[")[2].partition(",")[0]
    owner.say("CLUSTER", "DELSLOTS", slot)
    try:
        verdict, why = told(ask(REDIS, settings([owner], cluster=True, masters=3)))
    finally:
        owner.say("CLUSTER", "ADDSLOTS", slot)
    until(lambda: told(ask(REDIS, settings([owner], cluster=True, masters=3)))[0] == "pass")
    assert verdict == "fail"
    assert f"{owner.address} says that " in why


def test_a_cluster_that_has_lost_a_server_fails(cluster: list[Server]) -> None:
    lost = next(each for each in cluster if "myself,slave" in str(each.say("CLUSTER", "NODES")))
    others = [each for each in cluster if each is not lost]
    lost.stop()
    try:
        doubt = ask(REDIS, settings([lost]))
        until(lambda: told(ask(REDIS, settings(others, cluster=True)))[0] == "fail")
        verdict, why = told(ask(REDIS, settings(others, cluster=True)))
    finally:
        lost.start()
    until(lambda: told(ask(REDIS, settings(cluster, cluster=True, replicas=1)))[0] == "pass")
    assert told(doubt) == ("inconclusive", f"{lost.address}: connection refused")
    assert (verdict, f"says that {lost.address} is not reached" in why) == ("fail", True)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    folder = tmp_path_factory.mktemp("pair")
    sync = ("--repl-diskless-sync-delay", "0")
    master = Server(folder / "master", free_port(), "--maxmemory", "100mb", *sync)
    replica = Server(folder / "replica", free_port(), "--replicaof", f"{LOOPBACK} {master.port}", *sync)
    try:
        yield [master.start(), replica.start()]
    finally:
        replica.stop()
        master.stop()


def test_a_replica_that_follows_passes(pair: list[Server]) -> None:
    until(lambda: told(ask(REDIS, settings(pair, replicas=1)))[0] == "pass")
    assert told(ask(REDIS, settings(pair, replicas=1))) == (
        "pass",
        "2 servers answer, 1 masters with 1 replicas or more",
    )


def test_a_replica_that_has_lost_its_master_fails(pair: list[Server]) -> None:
    until(lambda: told(ask(REDIS, settings(pair, replicas=1)))[0] == "pass")
    master, replica = pair
    replica.say("REPLICAOF", LOOPBACK, str(free_port()))
    try:
        until(lambda: told(ask(REDIS, settings(pair, replicas=1)))[0] == "fail")
        why = told(ask(REDIS, settings(pair, replicas=1)))[1]
    finally:
        replica.say("REPLICAOF", LOOPBACK, str(master.port))
    assert f"{replica.address} does not follow its master" in why


def test_memory_that_is_nearly_full_fails(pair: list[Server]) -> None:
    master = pair[0]
    master.say("CONFIG", "SET", "maxmemory", "1")
    try:
        verdict, why = told(ask(REDIS, settings([master], memory=50)))
    finally:
        master.say("CONFIG", "SET", "maxmemory", "100mb")
    assert verdict == "fail"
    assert why.startswith(f"{master.address} uses ")
    assert why.endswith(" % of its memory, wanted at most 50 %")


def test_a_wrong_password_and_a_server_that_is_no_cluster_tell_nothing(pair: list[Server]) -> None:
    master = pair[0]
    wrong = ask(REDIS, settings([master]), secret="not the password")
    alone = ask(REDIS, settings([master], cluster=True))
    assert told(wrong) == ("inconclusive", f"{master.address}: it refuses with WRONGPASS")
    assert told(alone) == ("inconclusive", f"{master.address}: it refuses with ERR")


def test_one_server_that_hangs_does_not_hide_the_others(pair: list[Server]) -> None:
    master = pair[0]
    with lying(Scene.HANGS) as (host, port):
        addresses = (f"{host}:{port}", master.address)
        answer = ask(REDIS, RedisSettings(addresses, REFERENCE), limit_ms=1_500)
    assert told(answer) == ("inconclusive", f"{LOOPBACK}:{port}: no reply within the time limit")
    assert fact(answer, "answered") == 1
    assert master.address in answer.excerpt


def test_a_server_of_tls_is_believed_by_its_certificate_alone(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    own = str(authority.issue("localhost", ["localhost"], 30))
    port = free_port()
    flags = ["--tls-port", str(port), "--tls-cert-file", own, "--tls-key-file", own]
    flags += ["--tls-ca-cert-file", str(authority.roots), "--tls-auth-clients", "no"]
    server = Server(tmp_path / "server", free_port(), *flags)
    try:
        server.start()
        asked = RedisSettings((f"localhost:{port}",), REFERENCE, tls=True, roots=str(authority.roots))
        trusted = ask(REDIS, asked)
        stranger = ask(REDIS, dataclasses.replace(asked, roots=""))
        other = ask(REDIS, dataclasses.replace(asked, addresses=(f"{LOOPBACK}:{port}",)))
        plain = ask(REDIS, dataclasses.replace(asked, addresses=(f"localhost:{server.port}",)))
    finally:
        server.stop()
    assert told(trusted) == ("pass", "1 servers answer, 1 masters with 0 replicas or more")
    for answer in (stranger, other):
        assert told(answer)[0] == "inconclusive"
        assert told(answer)[1].endswith("no TLS: certificate verify failed")
    assert told(plain)[0] == "inconclusive"


@pytest.mark.parametrize("scene", [Scene.GARBLES, Scene.FLOODS, Scene.NONSENSE])
def test_what_speaks_another_protocol_is_told_from_a_refusal(scene: Scene) -> None:
    with (
        lying(scene) as (host, port),
        RedisConnection(host, port, 5) as connection,
        pytest.raises(RespError),
    ):
        connection.call("PING")


def test_what_a_server_refuses_bears_its_code(pair: list[Server]) -> None:
    with RedisConnection(LOOPBACK, pair[0].port, 5) as connection:
        with pytest.raises(RedisRefusedError) as refused:
            connection.call("PING")
        assert refused.value.code == "NOAUTH"
        assert connection.call("AUTH", MARKER) == "OK"
        assert connection.call("GET", "nothing") is None
        assert connection.call("EXISTS", "nothing") == 0
        assert connection.call("KEYS", "*") == []


@pytest.mark.parametrize("address", ["", "redis", ":6379", "redis:0", "redis:x", "redis:99999"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        RedisSettings((address,))
