"""Feeds a view from the journal: while this process drives, or while another one does."""

from tminus.adapters.clock.system_clock import SystemClock
from tminus.cli.view import View
from tminus.domain.launch.phase import TERMINAL
from tminus.domain.launch.state import LaunchState
from tminus.engine.drive import Tick, fold_launch
from tminus.ports.fault import PortFault
from tminus.ports.journal import LaunchRow, Record
from tminus.wiring import Home

LOOK_EVERY_MS = 250
"""How often the journal is read while another process drives."""


class Follower:
    """Reads new records of a launch and hands them to a view."""

    def __init__(self, home: Home, row: LaunchRow, view: View) -> None:
        """See the class."""
        self._home = home
        self._row = row
        self._view = view
        self._seq = 0

    def on_tick(self, tick: Tick) -> None:
        """After a tick of the driver in this process."""
        self._view.update(tick, self._fresh())

    def on_defect(self, text: str) -> None:
        """A traceback of the driver in this process."""
        self._view.remark(text)

    def catch_up(self) -> None:
        """Shows what was journalled after the last tick."""
        self._view.update(None, self._fresh())

    def until_ended(self) -> LaunchState:
        """Looks on until the launch has ended."""
        clock = SystemClock()
        store = self._home.store
        while True:
            self._view.update(None, self._fresh())
            state, _ = fold_launch(store.journal, store.shelf, self._row.launch)
            if state.phase in TERMINAL:
                self._view.update(None, self._fresh())
                return state
            clock.wait_ms(LOOK_EVERY_MS)

    def _fresh(self) -> list[Record]:
        try:
            records = list(self._home.store.journal.read(self._row.launch, self._seq))
        except PortFault:
            return []
        if records:
            self._seq = records[-1].seq
        return records
