"""The agent's thread for schedules: looks after the database of every service of this home."""

import threading
import traceback
from collections.abc import Callable, Sequence

from tminus.adapters.clock.system_clock import SystemClock
from tminus.cli.upkeep_note import note_text
from tminus.domain.codec import DecodeError
from tminus.domain.launch.event import UnknownEventError
from tminus.engine.upkeep import Upkeep
from tminus.ports.fault import PortFault
from tminus.ports.journal import LaunchRow
from tminus.wiring import Home

LOOK_EVERY_S = 1.0
"""A launch that begins must not wait long for a scheduled backup to give way."""


class Schedules:
    """The upkeep of every service, one after the other; what one of them lacks stops no other."""

    def __init__(
        self, home: Home, rows: Callable[[], Sequence[LaunchRow]], say: Callable[[str], None]
    ) -> None:
        """See the class; `rows` are the launches of this home."""
        self._home = home
        self._rows = rows
        self._say = say
        self._upkeeps: dict[tuple[str, str], Upkeep] = {}
        self._complaints: dict[tuple[str, str], str] = {}

    def run(self, stop: threading.Event) -> None:
        """Until stopped. Jobs that run then go on, and the next agent finds them."""
        while not stop.wait(LOOK_EVERY_S):
            for name in dict.fromkeys((row.service, row.environment) for row in self._rows()):
                self._look(name)

    def _look(self, name: tuple[str, str]) -> None:
        if name not in self._upkeeps:
            self._upkeeps[name] = Upkeep(self._home.upkeep(*name), *name)
        complaint = ""
        try:
            for note in self._upkeeps[name].look(SystemClock().now_ms()):
                self._say(f"{name[0]} in {name[1]}: {note_text(note)}")
        except (PortFault, UnknownEventError, DecodeError) as fault:
            complaint = str(fault)
        except Exception:  # noqa: BLE001 - a defect here must not end the schedules of other services
            complaint = traceback.format_exc()
        if complaint and complaint != self._complaints.get(name):
            self._say(f"{name[0]} in {name[1]}: scheduled work: {complaint}")
        self._complaints[name] = complaint
