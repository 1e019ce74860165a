"""Brings what an Alertmanager says to the launches that name it: as orders, durable and each once."""

import threading
from collections.abc import Callable

from tminus.adapters.alertmanager.api import AlertmanagerApi
from tminus.adapters.alertmanager.webhook import Notice, read_webhook
from tminus.adapters.clock.system_clock import SystemClock, poke
from tminus.domain.canonical import canonical_bytes
from tminus.domain.codec import to_json
from tminus.domain.launch.event import UnknownEventError
from tminus.domain.launch.external import TOLD_ALERT, TOLD_SOURCE, ExternalState, ToldAlert, ToldSource
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.external import Alertmanager
from tminus.engine.drive import fold_launch
from tminus.ports.fault import PortFault
from tminus.ports.journal import LaunchRow, Order
from tminus.wiring import Home

BY = "alertmanager"


def take_notice(home: Home, body: bytes) -> str:
    """Enters every alert of a webhook's body into the launches that name it; says how many.

    Raises:
        ValueError: the body is no notice.
        PortFault: an alert could not be entered; the whole notice may be sent again.
    """
    notices = read_webhook(body)
    entered = 0
    for row in home.store.book.launches():
        state = _state(home, row) if row.open else None
        for notice in notices if state is not None else ():
            if state is not None and _concerns(notice, row, state):
                _post(home, row, notice.key, TOLD_ALERT, notice.told)
                entered += 1
    return f"{entered} of {len(notices)} alerts concern an open launch"


def _state(home: Home, row: LaunchRow) -> LaunchState | None:
    try:
        return fold_launch(home.store.journal, home.store.shelf, row.launch)[0]
    except UnknownEventError:
        return None


def _concerns(notice: Notice, row: LaunchRow, state: LaunchState) -> bool:
    """Named by the plan, and of no other service or environment."""
    manager = state.plan.alertmanager
    named = manager is not None and notice.told.alert in {rule.alert for rule in manager.rules}
    return named and notice.service in ("", row.service) and notice.environment in ("", row.environment)


def _post(home: Home, row: LaunchRow, key: str, verb: str, told: ToldAlert | ToldSource) -> None:
    argument = canonical_bytes(to_json(told)).decode()
    order = Order(key, verb, BY, "", SystemClock().now_ms(), argument)
    home.store.inbox.post(row.launch, order)
    poke(home.driver_socket(row.launch), b"")  # it looks into its inbox at once


class AlertmanagerWatch:
    """Asks the API for as long as a launch is driven, in a thread of its own; tells what has changed.

    Args:
        home: of the user.
        row: the launch.
        manager: of its plan, with a url.
        token: its bearer token, empty for none.
        say: hears of what could not be told.
    """

    def __init__(
        self, home: Home, row: LaunchRow, manager: Alertmanager, token: str, say: Callable[[str], None]
    ) -> None:
        """See the class."""
        self._home, self._row, self._manager, self._say = home, row, manager, say
        self._api = AlertmanagerApi(manager.url, token)
        self._over = threading.Event()
        self._number = 0
        self._began_ms = SystemClock().now_ms()
        self._thread = threading.Thread(target=self._run, name=f"alertmanager-{row.launch}", daemon=True)

    def start(self) -> None:
        """Begins to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Asks no more."""
        self._over.set()

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                self._look()
            except (PortFault, UnknownEventError) as fault:
                self._say(f"{self._row.launch}: what Alertmanager says was not entered: {fault}")
            self._over.wait(self._manager.every_ms / 1_000)

    def _look(self) -> None:
        """One question. What could not be entered is entered after the next."""
        state, _ = fold_launch(self._home.store.journal, self._home.store.shelf, self._row.launch)
        try:
            found = self._api.read_alerts(rule.alert for rule in self._manager.rules)
        except PortFault as fault:
            self._tell_source(state, ToldSource(answers=False, why=fault.why))
            return
        active = {each.fingerprint: each for each in found}
        for fingerprint, told in active.items():
            known = state.externals.alerts.get(fingerprint)
            if known is None or known.state is not told.state:
                self._tell(TOLD_ALERT, told)
        for fingerprint, gone in state.externals.alerts.items():
            if fingerprint not in active:
                over = ToldAlert(gone.alert, fingerprint, ExternalState.RESOLVED, "it is no longer active")
                self._tell(TOLD_ALERT, over)
        self._tell_source(state, ToldSource(answers=True, why=""))

    def _tell_source(self, state: LaunchState, told: ToldSource) -> None:
        if state.externals.answers is not told.answers:
            self._tell(TOLD_SOURCE, told)

    def _tell(self, verb: str, told: ToldAlert | ToldSource) -> None:
        self._number += 1
        _post(self._home, self._row, f"api-{self._began_ms}-{self._number}", verb, told)
