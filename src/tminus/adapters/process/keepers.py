"""Programs of one service, some kept as processes and some in containers. Must not start any by itself."""

from collections.abc import Mapping, Sequence

from tminus.ports.supervision import ProgramReading, ProgramSpec, Supervision


class Keepers:
    """Implements `Supervision` by two others: programs with a housing go to `containers`."""

    def __init__(self, processes: Supervision, containers: Supervision) -> None:
        """See the class."""
        self._processes = processes
        self._containers = containers

    def keep(self, programs: Sequence[ProgramSpec]) -> None:
        """See `Supervision.keep`."""
        housed = [program for program in programs if program.housing is not None]
        rest = [program for program in programs if program.housing is None]
        if rest:
            self._processes.keep(rest)
        if housed:
            self._containers.keep(housed)

    def drop(self, names: Sequence[str]) -> None:
        """See `Supervision.drop`."""
        housed = self._containers.programs().keys() & set(names)
        if housed:
            self._containers.drop(sorted(housed))
        rest = [name for name in names if name not in housed]
        if rest:
            self._processes.drop(rest)

    def programs(self) -> Mapping[str, ProgramReading]:
        """See `Supervision.programs`."""
        return {**self._processes.programs(), **self._containers.programs()}
