"""Two versions at once: clients stay on theirs while the share grows, and find the files of both."""

import http.client
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.dataplane.load import Load
from tests.dataplane.plane import Plane, ask, plane, settle, visit
from tminus.domain.launch.route import Route
from tminus.domain.launch.slot import Slot

pytestmark = pytest.mark.integration

CLIENTS = 500
FILES = ("/assets/blue.js", "/assets/green.js")


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    with plane(tmp_path_factory.mktemp("plane")) as made:
        made.hosting = replace(made.hosting, sticky_cookie="tmid", asset_paths=("/assets",))
        made.serve_blue()
        made.prepare_green()
        yield made


@pytest.fixture
def live(both: Plane) -> Plane:
    both.router.commit_route(Route(Slot.BLUE, epoch=2))
    return both


def split(live: Plane, share_bp: int, generation: int) -> None:
    live.router.write_route(Route(Slot.BLUE, Slot.GREEN, share_bp, generation=generation, epoch=2))


def visits(live: Plane, cookies: Sequence[str]) -> list[tuple[str, str]]:
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(lambda cookie: visit(live.port, cookie), cookies))


@pytest.mark.req("R6")
def test_a_growing_share_moves_nobody_back_and_loses_nothing(live: Plane) -> None:
    cookies = [""] * CLIENTS
    green: set[int] = set()
    shares = {}
    with Load(live.port, rate=100) as load:
        for share_bp in (100, 1_000, 5_000, 10_000):
            split(live, share_bp, 30)
            answers = visits(live, cookies)
            cookies = [cookie for _, cookie in answers]
            here = {number for number, (slot, _) in enumerate(answers) if slot == "green"}
            assert green - here == set()
            green, shares[share_bp] = here, len(here) / CLIENTS
            assert [slot for slot, _ in visits(live, cookies)] == [slot for slot, _ in answers]
        live.router.write_route(Route(Slot.BLUE, generation=31, epoch=2))
        assert {slot for slot, _ in visits(live, cookies)} == {"blue"}
        live.router.commit_route(Route(Slot.BLUE, epoch=2))
    assert load.report.losses == []
    # Five standard deviations of five hundred draws.
    assert 0 <= shares[100] < 0.033
    assert 0.032 < shares[1_000] < 0.168
    assert 0.388 < shares[5_000] < 0.612
    assert shares[10_000] == 1


def test_a_reload_moves_nobody(live: Plane) -> None:
    split(live, 5_000, 32)
    before = visits(live, [""] * 50)
    cookies = [cookie for _, cookie in before]
    live.router.host(replace(live.hosting, digest="sha256:reloaded"))
    split(live, 5_000, 32)
    assert visits(live, cookies) == before


def test_reloads_under_load_lose_no_file(live: Plane) -> None:
    """An old router finds the way back into itself or into its successor; either will do."""
    with Load(live.port, rate=200, target=FILES[1], posts=False) as load:
        for number in range(5):
            live.router.host(replace(live.hosting, digest=f"sha256:reload{number}"))
            load.wait_for(60)
    assert load.report.losses == []
    assert load.report.served.keys() == {"green"}


def test_the_cookie_is_given_once_and_to_nobody_who_asks_for_a_file(live: Plane) -> None:
    def given(target: str, cookie: str) -> list[str]:
        connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=10)
        connection.request("GET", target, headers={"Cookie": cookie})
        response = connection.getresponse()
        response.read()
        connection.close()
        return response.headers.get_all("Set-Cookie", [])

    (cookie,) = given("/", "other=1")
    value, _, attributes = cookie.partition("; ")
    assert attributes == "Path=/; HttpOnly; SameSite=Lax"
    assert value.startswith("tmid=")
    assert len(value) == len("tmid=") + 36
    assert given("/", f"other=1; {value}") == []
    assert len(given("/", "tmid=")) == 1
    assert given(FILES[0], "") == []


def test_files_of_both_versions_are_found_at_half_the_share(live: Plane) -> None:
    split(live, 5_000, 33)
    with ThreadPoolExecutor(8) as pool:
        answers = Counter(pool.map(lambda number: ask(live.port, FILES[number % 2]), range(800)))
    assert answers == {(200, "blue"): 400, (200, "green"): 400}
    sample = live.router.read_counters(1)
    counts = [sample.total(slot, 33, None) for slot in Slot]
    assert (sum(c.requests for c in counts), sum(c.failures for c in counts)) == (800, 0)
    # Both were asked first for about half of them, so about a half was asked twice.
    assert min(c.requests for c in counts) > 300


@pytest.mark.req("R6")
def test_files_are_found_and_nothing_lost_while_traffic_moves(live: Plane) -> None:
    with (
        Load(live.port, rate=150, target=FILES[0], posts=False) as old,
        Load(live.port, rate=150, target=FILES[1], posts=False) as new,
    ):
        for generation, share_bp in enumerate((100, 1_000, 5_000, 10_000), start=40):
            split(live, share_bp, generation)
            old.wait_for(40)
            new.wait_for(40)
        live.router.commit_route(Route(Slot.GREEN, epoch=2))
        old.wait_for(40)
        live.router.commit_route(Route(Slot.BLUE, epoch=2))
        new.wait_for(40)
    assert (old.report.losses, new.report.losses) == ([], [])
    assert old.report.served.keys() == {"blue"}
    assert new.report.served.keys() == {"green"}


def test_a_file_that_nobody_has_is_missing_and_a_write_is_sent_once(live: Plane) -> None:
    assert ask(live.port, "/assets/neither.js")[0] == 404
    assert ask(live.port, "/assets/neither.js", "HEAD")[0] == 404
    assert ask(live.port, FILES[1], "HEAD")[0] == 200
    before = live.posts(Slot.GREEN)
    assert ask(live.port, FILES[1], "POST", X_Rid="once")[0] == 404
    assert live.posts(Slot.GREEN) == before
    assert live.router.read_router().in_flight == dict.fromkeys(Slot, 0)


def test_a_file_that_the_net_gave_counts_against_the_slot(live: Plane) -> None:
    split(live, 10_000, 50)
    live.runtime.stop_slot(Slot.GREEN)
    settle(lambda: live.runtime.read_slots()[Slot.GREEN].down)
    # Found out by this very request, or by a check just before: either way blue answers for green.
    status, _ = ask(live.port, FILES[0])
    counts = live.router.read_counters(1).total(Slot.GREEN, 50, None)
    assert (status, counts.requests, counts.failures) == (200, 1, 1)
    live.start(Slot.GREEN)
    settle(lambda: live.router.read_router().up[Slot.GREEN] == live.instances)


def test_the_ways_back_are_for_this_user_alone(live: Plane) -> None:
    modes = {path.name: path.stat().st_mode & 0o777 for path in _sockets(live.directory / "haproxy")}
    assert modes == {"assets-blue.sock": 0o600, "assets-green.sock": 0o600}


def _sockets(directory: Path) -> list[Path]:
    return sorted(directory.glob("assets-*.sock"))
