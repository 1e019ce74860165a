"""An order that protects reaches the one driver that is meant, and nobody else."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tminus.adapters.clock.system_clock import open_wake_socket
from tminus.cli.direct import tell_driver


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("h")
    (home / "drivers").mkdir()
    return home


@pytest.fixture
def shop(home: Path) -> Iterator[socket.socket]:
    with open_wake_socket(home / "drivers" / "shop-1.2.0.sock") as driver:
        yield driver


def heard(driver: socket.socket) -> dict[str, object] | None:
    try:
        order: dict[str, object] = json.loads(driver.recv(1 << 14))
    except BlockingIOError:
        return None
    return order


def tell(home: Path, *arguments: str) -> bool:
    return tell_driver(arguments, {"TMINUS_HOME": str(home), "TMINUS_USER": "ada"}, home) is not None


@pytest.mark.parametrize("name", ["shop", "shop-1.2.0"])
def test_a_rollback_is_told_to_the_driver_it_names(home: Path, shop: socket.socket, name: str) -> None:
    assert tell(home, "rollback", name, "-m", "payments fail", "--by", "bob")
    order = heard(shop)
    assert order is not None
    assert (order["verb"], order["by"], order["reason"]) == ("rollback", "bob", "payments fail")


def test_without_a_name_the_plan_in_the_folder_tells_who_is_meant(home: Path, shop: socket.socket) -> None:
    (home / "launch.yaml").write_text('service: "shop"\nversion: 1.2.0\n')
    assert tell(home, "abort")
    assert heard(shop) is not None


def test_what_is_told_has_the_key_it_is_recorded_under(home: Path, shop: socket.socket) -> None:
    told = tell_driver(["rollback", "shop"], {"TMINUS_HOME": str(home)}, home)
    assert told is not None
    assert (told.socket, told.order) == ("shop-1.2.0.sock", heard(shop))


@pytest.mark.parametrize(
    "arguments",
    [
        ("rollback",),
        ("rollback", "sho"),
        ("rollback", "other"),
        ("rollback", "shop", "--help"),
        ("rollback", "shop", "--unknown"),
        ("rollback", "shop", "more"),
        ("hold", "shop"),
        ("contract", "shop"),
        (),
    ],
)
def test_nobody_is_told_who_is_not_surely_meant(
    home: Path, shop: socket.socket, arguments: tuple[str, ...]
) -> None:
    assert not tell(home, *arguments)
    assert heard(shop) is None


def test_of_two_launches_of_one_name_neither_is_told(home: Path, shop: socket.socket) -> None:
    with open_wake_socket(home / "drivers" / "shop-1.3.0.sock") as other:
        assert not tell(home, "rollback", "shop")
        assert (heard(shop), heard(other)) == (None, None)


def test_a_socket_that_a_dead_driver_left_is_no_driver(home: Path) -> None:
    open_wake_socket(home / "drivers" / "shop-1.2.0.sock").close()
    assert not tell(home, "rollback", "shop")
