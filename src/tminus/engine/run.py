"""Runs the driver of one launch for as long as it takes: claims, ticks, survives defects, gives way."""

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.times import SECOND_MS
from tminus.engine.drive import ClaimLostError, Driver, Tick
from tminus.engine.ports import Ports
from tminus.ports.fault import PortFault, Unavailable
from tminus.ports.journal import Head, Order

CLAIM_RETRY_MS = 500
"""How often a launch that somebody else drives, or whose journal does not answer, is asked for again."""

AFTER_DEFECT_MS = SECOND_MS
"""Pause after a tick that failed in a way it must not, so that a defect does not fill the log."""


@dataclass(frozen=True, slots=True)
class Watchers:
    """Who is told what while a launch runs.

    Attributes:
        on_tick: after every tick.
        on_head: when the journal has grown; seals it.
        on_defect: text of a traceback, for the agent's own log.
        orders: orders that came by the direct line since the last call.
        stopped: asked before every tick; true ends the run and releases the launch.
    """

    on_tick: Callable[[Tick], None] = lambda _: None
    on_head: Callable[[Head], None] = lambda _: None
    on_defect: Callable[[str], None] = lambda _: None
    orders: Callable[[], Sequence[Order]] = tuple
    stopped: Callable[[], bool] = lambda: False


class Runner:
    """Drives one launch to its end, over lost claims and defects. One per thread."""

    def __init__(self, ports: Ports, launch: str, owner: str, watchers: Watchers) -> None:
        """See the class; `owner` names this process in the journal."""
        self._ports = ports
        self._launch = launch
        self._owner = owner
        self._watchers = watchers
        self._sealed_seq = 0

    def run(self) -> LaunchState | None:
        """The state in which the launch ended, or None when the run was stopped before.

        Raises:
            Refused: the journal is corrupt or not understood; nothing was touched.
            UnknownEventError: the journal holds what this release does not understand.
        """
        while not self._watchers.stopped():
            driver = self._claim()
            if driver is None:
                self._ports.clock.wait_ms(CLAIM_RETRY_MS)
                continue
            try:
                state = self._drive(driver)
            except ClaimLostError:
                continue
            finally:
                driver.release()
            return state
        return None

    def _claim(self) -> Driver | None:
        driver = Driver(self._ports, self._launch, self._owner)
        try:
            driver.claim()
        except (ClaimLostError, Unavailable):
            return None
        return driver

    def _drive(self, driver: Driver) -> LaunchState | None:
        while not self._watchers.stopped():
            for order in self._watchers.orders():
                driver.order(order)
            tick = self._tick(driver)
            if tick is None:
                self._ports.clock.wait_ms(AFTER_DEFECT_MS)
                continue
            self._watchers.on_tick(tick)
            self._seal(driver)
            if tick.ended:
                driver.finish()
                return tick.state
            self._ports.clock.wait_ms(tick.step.next_ms)
        return None

    def _tick(self, driver: Driver) -> Tick | None:
        try:
            return driver.tick()
        except ClaimLostError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, protection must go on
            self._watchers.on_defect(traceback.format_exc())
            driver.hold_for_bug(error)
            return None

    def _seal(self, driver: Driver) -> None:
        if driver.seq == self._sealed_seq or driver.unwritten:
            return
        try:
            self._watchers.on_head(self._ports.journal.head(self._launch))
        except PortFault:
            return  # sealed with the next event
        self._sealed_seq = driver.seq
