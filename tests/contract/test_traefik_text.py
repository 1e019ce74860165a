"""Traefik's configuration and counters as text: what is written, what is refused, what is read."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tminus.adapters.traefik import config, counting, files
from tminus.adapters.traefik.binary import find_binary
from tminus.adapters.traefik.config import Standing
from tminus.domain.launch.route import FULL_BP, Route, Watch
from tminus.domain.launch.slot import Slot
from tminus.domain.plan.route_class import RouteClass, Traffic
from tminus.domain.watch.counts import BUCKETS_MS
from tminus.ports.fault import Refused, Unavailable
from tminus.ports.router import Hosting

HOSTING = Hosting(
    digest="sha256:h",
    host="127.0.0.1",
    port=80,
    addresses={Slot.BLUE: ("127.0.0.1:1", "127.0.0.1:2"), Slot.GREEN: ("127.0.0.1:3",)},
    health_path="/healthz",
    route_classes=(
        RouteClass("login", ("/login",), ("POST",)),
        RouteClass("live", ("/ws",), (), Traffic.WEBSOCKET),
    ),
    shift_lease_ms=0,
    bake_lease_ms=0,
    error_limit_ppm=50_000,
    slow_limit_ms=500,
)
TRIAL = Route(Slot.BLUE, Slot.GREEN, 1_000, Watch.SHORT, generation=7, epoch=2)
BOTH = frozenset(Slot)


def http(route: Route = TRIAL, admitted: frozenset[Slot] = BOTH, **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of a hosting
    standing = Standing(replace(HOSTING, **changes), admitted, route)
    found: dict[str, Any] = json.loads(config.dynamic(standing, "k"))["http"]
    return found


def test_the_share_is_split_between_the_nets_of_both_slots() -> None:
    assert http()["services"]["split-login"] == {
        "weighted": {
            "services": [
                {"name": "net-blue-7-login", "weight": 9_000},
                {"name": "net-green-7-login", "weight": 1_000},
            ]
        }
    }
    all_of_it = http(replace(TRIAL, candidate_bp=FULL_BP))["services"]["split-login"]["weighted"]["services"]
    assert all_of_it == [{"name": "net-green-7-login", "weight": 10_000}]


def test_each_slot_is_the_net_of_the_other_while_both_are_admitted() -> None:
    assert http()["services"]["net-green-7-login"] == {
        "failover": {"service": "green-7-login", "fallback": "blue-7-login"}
    }
    alone = http(admitted=frozenset({Slot.BLUE}))["services"]
    assert alone["net-green-7-login"] == alone["net-blue-7-login"]
    assert "green-7-login" not in alone


def test_nothing_is_served_without_a_live_slot_or_an_admitted_one() -> None:
    for services in (http(Route(None))["services"], http(admitted=frozenset())["services"]):
        assert services["split-other"] == {"weighted": {"services": [{"name": "nowhere", "weight": 1}]}}
    assert http(Route(None))["services"]["nowhere"] == {"loadBalancer": {"servers": []}}


def test_both_slots_are_checked_whoever_has_the_traffic() -> None:
    found = http(Route(Slot.BLUE, generation=7))
    assert [each["name"] for each in found["services"]["everyone"]["weighted"]["services"]] == [
        "blue-7-other",
        "green-7-other",
    ]


def test_only_reads_are_sent_again_after_something_was_sent() -> None:
    found = http()
    for name, router in found["routers"].items():
        if name.endswith("-read"):
            assert router["rule"].endswith('(Method("GET") || Method("HEAD"))')
            assert router["middlewares"] == ["again-read"]
        elif name.endswith("-write"):
            assert router["middlewares"] == ["again-write"]
    assert found["middlewares"]["again-read"]["retry"]["status"] == ["502", "504"]
    assert "status" not in found["middlewares"]["again-write"]["retry"]


def test_the_first_class_that_claims_a_request_has_it() -> None:
    routers = http()["routers"]
    order = sorted((r["priority"], name) for name, r in routers.items() if name.endswith("-write"))
    names = [name.removesuffix("-write") for _, name in reversed(order)]
    assert names == ["meter", "login", "live", "other"]
    assert routers["login-write"]["rule"] == ('(Path("/login") || PathPrefix("/login/")) && (Method("POST"))')


def test_long_requests_have_longer_silences() -> None:
    services = http()["services"]
    assert services["blue-7-live"]["loadBalancer"]["serversTransport"] == "long"
    assert services["blue-7-login"]["loadBalancer"]["serversTransport"] == "plain"


def test_a_cookie_is_given_during_a_trial_only() -> None:
    cookie = http(sticky_cookie="tmid")["services"]["split-other"]["weighted"]["sticky"]["cookie"]
    assert cookie == {"name": "tmid", "httpOnly": True, "sameSite": "lax", "path": "/"}
    assert "sticky" not in http(Route(Slot.BLUE), sticky_cookie="tmid")["services"]["split-other"]["weighted"]


def test_who_does_not_know_the_key_is_told_nothing() -> None:
    doors = {name: each for name, each in http()["routers"].items() if each["entryPoints"] == ["control"]}
    assert doors.keys() == {"tminus-api", "tminus-metrics", "tminus-everyone"}
    assert all(each["rule"].startswith('Header("X-Tminus-Key", "k")') for each in doors.values())


def test_a_configuration_tells_what_it_stands_for() -> None:
    text = config.dynamic(Standing(HOSTING, frozenset(), TRIAL), "k")
    headers = config.standing_headers(text)
    assert headers["X-Tminus-Route"] == "blue:green:1000:1:7:2"
    assert config.admitted_in(headers) == frozenset()
    with pytest.raises(ValueError, match="no route"):
        config.standing_headers("{}")


@pytest.mark.parametrize(
    "changes",
    [
        {"health_path": "/x\ny"},
        {"sticky_cookie": "a b"},
        {"asset_paths": ("/static",)},
        {"addresses": {Slot.BLUE: ("127.0.0.1",)}},
        {"route_classes": (RouteClass("a b", ("/",)),)},
        {"route_classes": (RouteClass("a", ("x",)),)},
        {"route_classes": (RouteClass("a", ("/",), ("get",)),)},
    ],
)
def test_what_could_not_stand_in_a_configuration_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refusal:
        http(**changes)
    assert refusal.value.code == "router-config-rejected"


def test_counters_are_read_by_slot_generation_and_class() -> None:
    labels = 'method="GET",protocol="http",service="green-7-login@file"'
    bucket = "traefik_service_request_duration_seconds_bucket"
    edges = "".join(
        f'{bucket}{{code="200",{labels},le="{edge / 1000:g}"}} {index}\n'
        for index, edge in enumerate(BUCKETS_MS)
    )
    metrics = (
        "# HELP something\n"
        f'traefik_service_requests_total{{code="200",{labels}}} 20\n'
        f'traefik_service_requests_total{{code="502",{labels}}} 3\n'
        f'traefik_service_request_duration_seconds_count{{code="200",{labels}}} 20\n{edges}'
        'traefik_service_retries_total{service="split-login@file"} 2\n'
        'traefik_service_requests_total{code="200",service="api@internal"} 9\n'
    )
    (entry,) = counting.class_counts(metrics, ())
    assert (entry.slot, entry.generation, entry.route_class) == (Slot.GREEN, 7, "login")
    assert (entry.counts.requests, entry.counts.failures, entry.counts.answers) == (23, 3, 20)
    assert entry.counts.within == tuple(range(len(BUCKETS_MS)))
    assert counting.replayed(metrics) == 2
    (untimed,) = counting.class_counts(metrics, {"login"})
    assert (untimed.counts.requests, untimed.counts.answers, sum(untimed.counts.within)) == (23, 0, 0)


def test_on_a_full_disk_the_live_file_is_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live = tmp_path / "live.yaml"
    files.write_live(live, "a")
    size = live.stat().st_size

    def full(path: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    files.write_live(live, "bc")
    assert (live.read_text(encoding="utf-8").strip(), live.stat().st_size) == ("bc", size)
    with pytest.raises(Unavailable) as fault:
        files.write_live(live, "x" * (size + 1))
    assert fault.value.code == "disk-full"


def test_a_missing_or_old_binary_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Refused) as refusal:
        find_binary()
    assert refusal.value.code == "traefik-missing"
    program = tmp_path / "traefik"
    program.write_text("#!/bin/sh\necho 'Version:      3.1.4'\n", encoding="utf-8")
    program.chmod(0o755)
    with pytest.raises(Refused) as refusal:
        find_binary()
    assert refusal.value.code == "traefik-too-old"
