"""HAProxy's configuration and route as text: what needs no HAProxy to be seen."""

from dataclasses import replace
from typing import Any

import pytest

from tminus.adapters.haproxy import config, counting, trust
from tminus.adapters.haproxy.console import Probe, table_keys
from tminus.adapters.router import route_text
from tminus.domain.launch.reading import Distrust
from tminus.domain.launch.route import Route, Watch
from tminus.domain.launch.slot import Slot
from tminus.domain.plan.route_class import RouteClass, Traffic
from tminus.domain.watch.counts import BUCKETS_MS, ClassCounts, Counts
from tminus.ports.fault import Refused
from tminus.ports.router import Hosting

HOSTING = Hosting(
    digest="sha256:1",
    host="::",
    port=80,
    addresses={Slot.BLUE: ("127.0.0.1:1", "127.0.0.1:2"), Slot.GREEN: ("127.0.0.1:3",)},
    health_path="/healthz",
    route_classes=(
        RouteClass("login", ("/login",), ("POST",)),
        RouteClass("chat", ("/",), (), Traffic.WEBSOCKET),
    ),
    shift_lease_ms=1_000,
    bake_lease_ms=60_000,
    error_limit_ppm=50_000,
    slow_limit_ms=300,
)


@pytest.mark.parametrize(
    ("route", "text"),
    [
        (Route(None), "none:none:0:0:0:0"),
        (Route(Slot.BLUE, epoch=3), "blue:none:0:0:0:3"),
        (Route(Slot.BLUE, Slot.GREEN, 1_000, Watch.SHORT, 7, 42), "blue:green:1000:1:7:42"),
        (Route(None, Slot.GREEN, 10_000, Watch.PATIENT, 1, 1), "none:green:10000:2:1:1"),
    ],
)
def test_a_route_is_one_value_and_back(route: Route, text: str) -> None:
    assert route_text.to_text(route) == text
    assert route_text.from_text(text) == route


@pytest.mark.parametrize("text", ["", "blue", "blue:none:0:0:0", "red:none:0:0:0:0", "blue:none:x:0:0:0"])
def test_what_is_no_route_is_not_read_as_one(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        route_text.from_text(text)


def test_slots_start_expelled_and_admission_is_read_back() -> None:
    text = config.render(HOSTING)
    assert config.admitted_in(text) == frozenset()
    for admitted in (frozenset({Slot.GREEN}), frozenset(Slot), frozenset[Slot]()):
        text = config.with_admitted(text, admitted)
        assert config.admitted_in(text) == admitted
        assert text == config.render(HOSTING, admitted)


def servers_of(backend: str) -> list[str]:
    part = config.render(HOSTING, {Slot.BLUE}).partition(f"backend {backend}\n")[2].partition("\nbackend ")[0]
    return [line.strip() for line in part.splitlines() if line.startswith("  server ")]


def test_each_slot_has_the_other_as_its_net() -> None:
    assert servers_of("be_blue") == [
        "server blue1 127.0.0.1:1",
        "server blue2 127.0.0.1:2",
        "server net_green1 127.0.0.1:3 no-check backup track be_green/green1",
    ]
    assert servers_of("be_green") == [
        "server green1 127.0.0.1:3 disabled",
        "server net_blue1 127.0.0.1:1 no-check backup track be_blue/blue1",
        "server net_blue2 127.0.0.1:2 no-check backup track be_blue/blue2",
    ]


def test_a_last_resort_has_the_slots_instances_unchecked() -> None:
    assert servers_of("be_last_blue") == [
        "server last_blue1 127.0.0.1:1 no-check",
        "server last_blue2 127.0.0.1:2 no-check",
    ]
    assert servers_of("be_last_green") == ["server last_green1 127.0.0.1:3 no-check disabled"]


def test_a_class_apart_has_the_same_instances_in_a_backend_of_its_own() -> None:
    assert [entry.name for entry in config.classes_apart(HOSTING)] == ["chat"]
    assert servers_of("be_blue.chat") == [
        "server blue1 127.0.0.1:1 no-check track be_blue/blue1",
        "server blue2 127.0.0.1:2 no-check track be_blue/blue2",
        "server net_green1 127.0.0.1:3 no-check backup track be_green/green1",
    ]


def test_a_class_with_a_drain_of_its_own_is_kept_apart() -> None:
    login = replace(HOSTING.route_classes[0], drain_ms=5_000)
    hosting = replace(HOSTING, route_classes=(login, RouteClass("rest", ("/rest",))))
    assert config.classes_apart(hosting) == (login,)


def test_the_standalone_configuration_has_its_own_socket_and_nobody_to_listen_to() -> None:
    text = config.render_standalone(HOSTING, Route(Slot.GREEN, epoch=1))
    assert "  bind [::]:80" in text.splitlines()
    assert "str(green:none:0:0:0:1)" in text
    assert config.admitted_in(text) == {Slot.GREEN}
    for word in ("stats socket", "map_str", "fd@", ".sock"):
        assert word not in text


def test_without_a_cookie_or_files_nothing_of_them_is_in_the_configuration() -> None:
    text = config.render(HOSTING)
    assert "rand(10000)" in text
    for word in ("req.cook", "Set-Cookie", "xxh32", "assets"):
        assert word not in text


def test_a_client_is_known_by_its_cookie_or_by_the_one_it_is_about_to_get() -> None:
    lines = config.render(replace(HOSTING, sticky_cookie="tmid")).splitlines()
    assert "  http-request set-var(txn.draw) var(txn.client),xxh32(7),mod(10000),sub(txn.bp)" in lines
    assert (
        '  http-response add-header Set-Cookie "tmid=%[var(txn.fresh)]; Path=/; HttpOnly; SameSite=Lax"'
        " if { var(txn.fresh) -m found }"
    ) in lines
    assert not any("rand(" in line for line in lines)


def test_clients_leave_room_for_the_way_back() -> None:
    text = config.render(replace(HOSTING, asset_paths=("/static",)), sizes=config.Sizes(maxconn=1_600))
    ways = [line for line in text.splitlines() if line.startswith("  server assets_")]
    assert [line.split()[1] for line in ways] == [
        *("assets_blue", "assets_green"),
        *("assets_green", "assets_blue"),
    ]
    assert {line.partition(" maxconn ")[2] for line in ways} == {"100"}
    assert "  maxconn 1200" in text.splitlines()


def test_the_standalone_configuration_splits_nothing_and_needs_no_way_back() -> None:
    hosting = replace(HOSTING, sticky_cookie="tmid", asset_paths=("/static",))
    text = config.render_standalone(hosting, Route(Slot.GREEN, epoch=1))
    assert text == config.render_standalone(HOSTING, Route(Slot.GREEN, epoch=1))


@pytest.mark.parametrize("changes", [{"sticky_cookie": "a b"}, {"asset_paths": ("/x\nglobal",)}])
def test_a_cookie_or_path_that_is_none_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refusal:
        config.render(replace(HOSTING, **changes))
    assert refusal.value.code == "router-config-rejected"


@pytest.mark.parametrize("address", ["127.0.0.1", "a b:1", "x:1\n  server evil 1.1.1.1:1", ""])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    hosting = Hosting("d", "h", 1, {Slot.BLUE: (address,)}, "/", (), 1, 1, 1, 1)
    with pytest.raises(Refused) as refusal:
        config.render(hosting)
    assert refusal.value.code == "router-config-rejected"


def test_a_row_of_the_table_is_read_by_its_columns() -> None:
    buckets = " ".join(f"gpc{counting.FIRST_BUCKET + i}={i}" for i in range(len(BUCKETS_MS)))
    answer = (
        "# table: st_class, type: string, size:4096, used:1\n"
        "0x7f: key=green@7/login use=1 exp=5 shard=0 conn_cur=2 http_req_cnt=20"
        f" gpc0=3 gpc1=17 gpc2=16 {buckets}\n\n"
    )
    # Of 20 requests 17 were answered and 2 are open: one has ended without any answer.
    assert counting.class_counts(answer) == (
        ClassCounts(Slot.GREEN, 7, "login", Counts(20, 4, 16, tuple(range(len(BUCKETS_MS))))),
    )
    assert table_keys("# table: st_class, used:0\n\n") == {}


@pytest.mark.parametrize(
    ("watch", "latch", "leases", "up", "expected"),
    [
        (Watch.SHORT, 0, (True, True), "green", Distrust.NONE),
        (Watch.SHORT, 0, (False, True), "green", Distrust.LEASE),
        (Watch.PATIENT, 0, (False, True), "green", Distrust.NONE),
        (Watch.PATIENT, 0, (True, False), "green", Distrust.LEASE),
        (Watch.SHORT, 1, (False, False), "green", Distrust.ERRORS),
        (Watch.SHORT, 2, (True, True), "green", Distrust.SLOW),
        (Watch.SHORT, 3, (True, True), "green", Distrust.DOWN),
        (Watch.SHORT, 0, (True, True), "blue", Distrust.DOWN),
        (Watch.NONE, 1, (False, False), "blue", Distrust.NONE),
    ],
)
def test_distrust_follows_latch_lease_and_health_in_this_order(
    watch: Watch, latch: int, leases: tuple[bool, bool], up: str, expected: Distrust
) -> None:
    probe = Probe("", "green", True, latch, leases, frozenset({up}), "")
    assert trust.distrust(Route(Slot.BLUE, Slot.GREEN, 100, watch, 1, 1), probe) is expected
