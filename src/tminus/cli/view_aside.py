"""Keeps whoever shows a launch from ever holding up whoever drives it."""

import sys
from collections.abc import Sequence
from contextlib import suppress
from threading import Condition, Thread
from types import TracebackType
from typing import Self

from tminus.cli.view import View
from tminus.engine.drive import Tick
from tminus.ports.journal import Record


class AsideView:
    """Shows through another view, in a thread of its own.

    Writing to a terminal that was stopped with Ctrl-S, or to a pipe that nobody reads, takes for ever. A
    driver that waited for it would let the router's lease lapse, and a good candidate would be rolled back.
    What the view cannot do, it does not do: a launch never fails because it cannot be shown.
    """

    def __init__(self, view: View) -> None:
        """Shows nothing yet."""
        self._view = view
        self._changed = Condition()
        self._tick: Tick | None = None
        self._records: list[Record] = []
        self._remarks: list[str] = []
        self._fresh = False
        self._over = False
        self._failure = ""
        self._thread = Thread(target=self._show, name="view", daemon=True)

    def __enter__(self) -> Self:
        """Takes the terminal and starts the thread."""
        self._view.__enter__()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Shows what is left, for as long as its reader takes: nothing is driven here any more."""
        with self._changed:
            self._over = True
            self._changed.notify()
        self._thread.join()
        # A reader that went away is not worth a word; the launch went on without it.
        with suppress(OSError):
            self._view.__exit__(kind, error, trace)
        if self._failure:
            sys.stderr.write(f"the launch could not be shown any more: {self._failure}\n")

    def update(self, tick: Tick | None, records: Sequence[Record]) -> None:
        """Hands over and returns at once; of several ticks only the newest is shown, of records all."""
        with self._changed:
            self._tick = tick or self._tick
            self._records.extend(records)
            self._fresh = True
            self._changed.notify()

    def remark(self, text: str) -> None:
        """Hands over and returns at once."""
        with self._changed:
            self._remarks.append(text)
            self._fresh = True
            self._changed.notify()

    def _show(self) -> None:
        try:
            while self._show_next():
                pass
        except OSError:
            return  # nobody reads any more
        except Exception as error:  # noqa: BLE001 - showing must not end a launch; it is told when it has ended
            self._failure = f"{type(error).__name__}: {error}"

    def _show_next(self) -> bool:
        with self._changed:
            while not self._fresh and not self._over:
                self._changed.wait()
            over, self._fresh = self._over, False
            tick, records, remarks = self._tick, self._records, self._remarks
            self._records, self._remarks = [], []
        for text in remarks:
            self._view.remark(text)
        self._view.update(tick, records)
        return not over
