"""The probe `resources`: this machine has room on its disk and in its memory, and time."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from tminus.adapters.http.fetch import fetch
from tminus.adapters.machine.gauges import MachineGauge
from tminus.domain.plan.metric import SystemGauge, SystemSource
from tminus.domain.readiness.answer import Answer, failed, passed, unknown
from tminus.domain.watch.measurement import Missed
from tminus.ports.metrics import Surroundings
from tminus.ports.probes import Around, ProbeKind, Target
from tminus.probes.guard import guarded

_WHOLE = 100
_PPM = 10_000  # in one percent


@dataclass(frozen=True, slots=True)
class ResourcesSettings:
    """What must be free here, and how busy it may be.

    Attributes:
        disk_free: percent of the file system that must be free at least; 0 does not look.
        memory_free: percent of the memory that must be available at least; 0 does not look.
        load: percent of the cores that may be asked for at most, by the average of a minute; 0 does not
            look.
        path: on the file system that is meant, relative to the repository.
    """

    disk_free: int = 10
    memory_free: int = 10
    load: int = 0
    path: str = "."

    def __post_init__(self) -> None:
        """Refuses what cannot be asked.

        Raises:
            ValueError: see its sentence.
        """
        if not 0 <= self.disk_free <= _WHOLE or not 0 <= self.memory_free <= _WHOLE or self.load < 0:
            raise ValueError("shares are percent, from 0 to 100; a load may be more")
        if not self.disk_free and not self.memory_free and not self.load:
            raise ValueError("nothing is looked at: give one of disk_free, memory_free and load")


def _source(settings: ResourcesSettings, target: Target) -> str:
    del target
    return f"this machine: {', '.join(gauge.value for gauge, _, _ in _limits(settings))}"


def _limits(settings: ResourcesSettings) -> Iterator[tuple[SystemGauge, int, bool]]:
    """Gauge, limit in percent, and whether the limit is for what is free."""
    limits = (
        (SystemGauge.DISK_FREE, settings.disk_free, True),
        (SystemGauge.MEMORY, settings.memory_free, True),
        (SystemGauge.LOAD, settings.load, False),
    )
    return (each for each in limits if each[1])


def _ask(settings: ResourcesSettings, around: Around, limit_ms: int) -> Answer:
    source = _source(settings, around.target)
    place = around.repository / settings.path
    given = Surroundings(fetch, around.secret, around.environment, around.repository, place)
    facts: dict[str, int] = {}
    wrong: list[str] = []
    told: list[str] = []
    for gauge, limit, is_free in _limits(settings):
        found = MachineGauge(SystemSource(gauge), given).read(limit_ms)
        if isinstance(found, Missed):
            return unknown(found.why, source)
        percent = Decimal(found.numbers[0])
        if gauge is SystemGauge.MEMORY:
            percent = _WHOLE - percent
        name = _NAMES[gauge]
        facts[f"{name.replace(' ', '_')}_ppm"] = int(percent * _PPM)
        sentence = f"{name} {percent:.1f} %"
        told.append(sentence)
        if percent < limit if is_free else percent > limit:
            wrong.append(f"{sentence}, wanted {'at least' if is_free else 'at most'} {limit} %")
    if wrong:
        return failed("; ".join(wrong), source, "\n".join(told), **facts)
    return passed(", ".join(told), source, "\n".join(told), **facts)


_NAMES = {
    SystemGauge.DISK_FREE: "disk free",
    SystemGauge.MEMORY: "memory free",
    SystemGauge.LOAD: "load",
}

RESOURCES = ProbeKind(ResourcesSettings, guarded(_ask, _source))
"""See `ResourcesSettings`."""
