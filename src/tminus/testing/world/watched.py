"""Fakes with the invariants looking over their shoulder: what takes effect is checked as it does."""

from collections.abc import Callable, Sequence
from typing import Any

from tminus.domain.launch.reading import RouterReading
from tminus.domain.launch.route import Route
from tminus.domain.launch.slot import Slot
from tminus.ports.journal import Draft, Head
from tminus.testing.memory_journal import MemoryJournal
from tminus.testing.world.fakes import FakeRouter, FakeRuntime
from tminus.testing.world.invariants import Invariants
from tminus.testing.world.physics import Physics


class WatchedJournal:
    """Tells of every append that took effect, also of one whose caller never learnt of it."""

    def __init__(self, journal: MemoryJournal, tell: Callable[[], None]) -> None:
        """See the class."""
        self._journal = journal
        self._tell = tell

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any method of the journal
        """Everything else is the journal's."""
        return getattr(self._journal, name)

    def append(self, launch: str, epoch: int, after_seq: int, drafts: Sequence[Draft]) -> Head:
        """See `Journal`."""
        head = self._journal.append(launch, epoch, after_seq, drafts)
        self._tell()
        return head


class WatchedRouter:
    """Checks every write that took effect, and remembers what was really read."""

    def __init__(self, router: FakeRouter, physics: Physics, invariants: Invariants) -> None:
        """See the class."""
        self._router = router
        self._physics = physics
        self._invariants = invariants

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any method of the router
        """Everything else is the router's."""
        return getattr(self._router, name)

    def read_router(self) -> RouterReading:
        """See `Routing`."""
        reading = self._router.read_router()
        self._invariants.route_read(reading.route)
        return reading

    def write_route(self, route: Route) -> None:
        """See `Routing`."""
        before = self._physics.highest_epoch
        self._router.write_route(route)
        self._invariants.wrote(route, before)

    def commit_route(self, route: Route) -> None:
        """See `Routing`."""
        before = self._physics.highest_epoch
        self._router.commit_route(route)
        self._invariants.wrote(route, before)


class WatchedRuntime:
    """Checks that a slot may be stopped at the moment it is."""

    def __init__(self, runtime: FakeRuntime, physics: Physics, invariants: Invariants) -> None:
        """See the class."""
        self._runtime = runtime
        self._physics = physics
        self._invariants = invariants

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any method of the runtime
        """Everything else is the runtime's."""
        return getattr(self._runtime, name)

    def stop_slot(self, slot: Slot) -> None:
        """See `Runtime`."""
        if self._physics.places[slot].instances:
            self._invariants.stopping(slot)
        self._runtime.stop_slot(slot)
