"""When tminus was taken away from a service, and what it left where: one small file beside its state."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tminus.adapters.supervisor import files
from tminus.ports.fault import Unavailable

VERSION = 1


@dataclass(frozen=True, slots=True)
class Departure:
    """One time that tminus was taken away.

    Attributes:
        at_ms: milliseconds since the epoch.
        by: principal id of whoever did it.
        launch: the last launch before.
        directory: where units, configuration and README were written; empty where all was stopped.
        stopped: everything was ended, instead of left running.
    """

    at_ms: int
    by: str
    launch: str
    directory: str
    stopped: bool = False


class Departures:
    """All departures from one service in one environment, oldest first."""

    def __init__(self, path: Path) -> None:
        """See the class; the file is made with the first departure."""
        self._path = path

    def read(self) -> tuple[Departure, ...]:
        """Those so far.

        Raises:
            Unavailable: `record-unreadable`.
        """
        try:
            return _departures(json.loads(self._path.read_bytes()))
        except FileNotFoundError:
            return ()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Unavailable("record-unreadable", f"{self._path}: {error}") from error

    def add(self, departure: Departure) -> None:
        """Remembers one more, durably.

        Raises:
            Unavailable: `disk-full` or `disk-failed`; nothing changed.
        """
        content = {
            "version": VERSION,
            "departures": [asdict(entry) for entry in (*self.read(), departure)],
        }
        try:
            files.write_atomically(self._path, json.dumps(content).encode())
        except OSError as error:
            code = "disk-full" if error.errno in files.FULL else "disk-failed"
            raise Unavailable(code, f"{self._path}: {error.strerror}") from error


def _departures(content: dict[str, Any]) -> tuple[Departure, ...]:
    if content["version"] != VERSION:
        raise ValueError(f"version {content['version']!r} is not {VERSION}")
    return tuple(Departure(**message) for message in content["departures"])
