"""The system clock's waits, and the datagram that ends them."""

import threading
import time
from pathlib import Path

import pytest

from tminus.adapters.clock.system_clock import SystemClock, open_wake_socket, poke

pytestmark = pytest.mark.integration

LONG_MS = 30_000


def test_now_is_the_time_of_day() -> None:
    before = time.time_ns() // 1_000_000
    now = SystemClock().now_ms()
    assert before <= now <= time.time_ns() // 1_000_000


@pytest.mark.parametrize("wakeable", [True, False])
def test_a_wait_lasts_its_duration(tmp_path: Path, *, wakeable: bool) -> None:
    wake = open_wake_socket(tmp_path / "wake") if wakeable else None
    started = time.monotonic()
    SystemClock(wake).wait_ms(50)
    assert time.monotonic() - started >= 0.049
    SystemClock(wake).wait_ms(-5)
    if wake is not None:
        wake.close()


def test_a_poke_ends_the_wait(tmp_path: Path) -> None:
    with open_wake_socket(tmp_path / "wake") as wake:
        waiter = threading.Thread(target=SystemClock(wake).wait_ms, args=(LONG_MS,))
        waiter.start()
        assert poke(tmp_path / "wake")
        waiter.join(LONG_MS / 2000)
        assert not waiter.is_alive()


def test_pokes_before_a_wait_end_that_one_and_not_the_next(tmp_path: Path) -> None:
    with open_wake_socket(tmp_path / "wake") as wake:
        clock = SystemClock(wake)
        assert all(poke(tmp_path / "wake") for _ in range(100))
        started = time.monotonic()
        clock.wait_ms(LONG_MS)
        assert time.monotonic() - started < LONG_MS / 2000
        started = time.monotonic()
        clock.wait_ms(50)
        assert time.monotonic() - started >= 0.049


def test_nobody_there_is_told(tmp_path: Path) -> None:
    assert not poke(tmp_path / "wake")
    open_wake_socket(tmp_path / "wake").close()
    assert not poke(tmp_path / "wake")
    with open_wake_socket(tmp_path / "wake"):
        assert poke(tmp_path / "wake")


def test_only_the_owner_may_poke(tmp_path: Path) -> None:
    with open_wake_socket(tmp_path / "wake"):
        assert (tmp_path / "wake").stat().st_mode & 0o777 == 0o600
