"""Drives a launch inside this process: its socket for orders, its seal, its view."""

import json
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tminus.adapters.clock.system_clock import SystemClock, open_wake_socket
from tminus.adapters.seal.verify import verify_launch
from tminus.adapters.secrets.reference_secrets import ReferenceSecrets
from tminus.cli.telling import AlertmanagerWatch
from tminus.domain.codec import DecodeError, from_json
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.plan import Plan
from tminus.domain.problem import Problem, ProblemError
from tminus.domain.readiness.verdict import Outcome
from tminus.engine.drive import Tick, fold_launch
from tminus.engine.run import Runner, Watchers
from tminus.ports.fault import PortFault
from tminus.ports.journal import Head, LaunchRow, Order
from tminus.wiring import Home


def owner_name() -> str:
    """This process, as the journal names it."""
    return f"{socket.gethostname()}:{os.getpid()}"


def refuse_damaged(home: Home, row: LaunchRow) -> None:
    """Returns when the journal of a launch is whole, as far as its seal can tell.

    Raises:
        ProblemError: with every finding; nothing is driven from such a journal.
        PortFault: it cannot be read.
    """
    report = verify_launch(home.store.raw, row.launch, home.seal)
    if report.outcome is Outcome.FAIL:
        refused = Problem(
            "journal-corrupt",
            f"the journal of {row.launch} was changed; tminus decides nothing from it",
            str(home.root / "journal"),
            "traffic goes on as the router has it, and a candidate on trial loses its lease",
            f"tminus verify {row.launch}; restore the journal from a backup",
        )
        raise ProblemError(refused, *report.problems())


class Driving:
    """One launch driven in this process or thread.

    Args:
        home: of the user.
        row: the launch.
        on_tick: after every tick.
        on_defect: text of a traceback.
        stopped: ends the driving between two ticks.
    """

    def __init__(
        self,
        home: Home,
        row: LaunchRow,
        on_tick: Callable[[Tick], None] = lambda _: None,
        on_defect: Callable[[str], None] = lambda _: None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        """See the class."""
        self._home = home
        self._row = row
        self._on_tick = on_tick
        self._on_defect = on_defect
        self._stopped = stopped
        self._orders: list[Order] = []

    def order(self, order: Order) -> None:
        """Gives an order from within this process."""
        self._orders.append(order)

    def run(self) -> LaunchState | None:
        """Drives to the end; None when stopped before.

        Raises:
            ProblemError: the journal is damaged.
            PortFault: the journal cannot be read, or refuses.
        """
        refuse_damaged(self._home, self._row)
        path = self._home.driver_socket(self._row.launch)
        wake = self._listen(path)
        clock = SystemClock(wake, self._receive)
        watchers = Watchers(self._on_tick, self._seal, self._on_defect, self._take, self._stopped)
        listening = self._listening()
        try:
            if listening is not None:
                listening.start()
            ports = self._home.ports(self._row, clock, self._directory())
            return Runner(ports, self._row.launch, owner_name(), watchers).run()
        finally:
            if listening is not None:
                listening.stop()
            if wake is not None:
                wake.close()
                path.unlink(missing_ok=True)

    def _directory(self) -> Path:
        return Path(self._plan().source.repository)

    def _plan(self) -> Plan:
        store = self._home.store
        state, _ = fold_launch(store.journal, store.shelf, self._row.launch)
        return state.plan

    def _listening(self) -> AlertmanagerWatch | None:
        """Asks the plan's Alertmanager; a token that cannot be had is told, and alerts stay unknown."""
        manager = self._plan().alertmanager
        if manager is None or not manager.url:
            return None
        try:
            secrets = ReferenceSecrets(self._home.environment, self._directory())
            token = "" if manager.token is None else secrets.resolve(manager.token)
        except PortFault as fault:
            self._on_defect(f"{self._row.launch}: Alertmanager is not asked: {fault}")
            return None
        return AlertmanagerWatch(self._home, self._row, manager, token, self._on_defect)

    def _listen(self, path: Path) -> socket.socket | None:
        try:
            return open_wake_socket(path)
        except OSError:
            return None  # orders come through the inbox, a tick later

    def _receive(self, datagram: bytes) -> None:
        with suppress(ValueError, DecodeError):
            self._orders.append(from_json(Order, json.loads(datagram)))

    def _take(self) -> list[Order]:
        taken, self._orders = self._orders, []
        return taken

    def _seal(self, head: Head) -> None:
        try:
            self._home.seal.seal(head, SystemClock().now_ms())
        except PortFault as fault:
            self._on_defect(f"the journal's head was not sealed: {fault}")
