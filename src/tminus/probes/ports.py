"""The probe `ports`: of those that are looked at, only the listed ports take connections."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from tminus.adapters.clock.deadline import Deadline
from tminus.adapters.network.scan import Seen, first_address, scan
from tminus.domain.readiness.answer import Answer, failed, passed, unknown
from tminus.ports.probes import Around, ProbeKind, Target
from tminus.probes.guard import guarded

MOST_PORTS = 4_096
"""Looked at by one probe: with 128 at a time and a second each, silence takes half a minute."""

_SHOWN = 20
_RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")


@dataclass(frozen=True, slots=True)
class PortsSettings:
    """Which ports are looked at, and which of them are meant to be open.

    Attributes:
        host: whose ports; the service's own host where it is not given.
        expected: ports that must be open; no other may be.
        among: ports and ranges that are looked at, such as `22` or `1-1024`; at most 4096 ports.
        silent: a host on which nothing answers at all is as wanted: a firewall drops what comes.
    """

    expected: tuple[int, ...]
    host: str = ""
    among: tuple[str, ...] = ("1-1024",)
    silent: bool = False

    def __post_init__(self) -> None:
        """Refuses what cannot be asked.

        Raises:
            ValueError: see its sentence.
        """
        count = len(self.looked_at())
        if not 0 < count <= MOST_PORTS:
            raise ValueError(f"{count} ports would be looked at: at least one, and at most {MOST_PORTS}")

    def looked_at(self) -> tuple[int, ...]:
        """Every port, once, in order.

        Raises:
            ValueError: something is no port and no range.
        """
        found = set(self.expected)
        for text in self.among:
            match = _RANGE.fullmatch(text)
            if match is None:
                raise ValueError(f"{text!r} is no port and no range of ports such as 1-1024")
            first, last = int(match[1]), int(match[2] or match[1])
            if first > last:
                raise ValueError(f"{text!r} ends before it begins: write the smaller port first")
            found.update(range(first, last + 1))
        if not all(0 < port < 1 << 16 for port in found):
            raise ValueError("ports are numbers from 1 to 65535")
        return tuple(sorted(found))


def _host(settings: PortsSettings, target: Target) -> str:
    return settings.host or urlsplit(target.url).hostname or ""


def _source(settings: PortsSettings, target: Target) -> str:
    return f"connections to {_host(settings, target)}, ports {', '.join(settings.among) or 'as expected'}"


def _ask(settings: PortsSettings, around: Around, limit_ms: int) -> Answer:
    source = _source(settings, around.target)
    host = _host(settings, around.target)
    if not host:
        return unknown("the service has no address yet", source)
    deadline = Deadline(limit_ms)
    ports = settings.looked_at()
    # Those that are meant to be open come first: what is found of them counts most when time is short.
    ordered = (*settings.expected, *ports)
    try:
        family, address = first_address(host)
        found = scan(family, address, ordered, deadline.left_ms / 1000)
    except (OSError, UnicodeError) as error:
        return unknown(f"{host} cannot be looked at: {getattr(error, 'strerror', '') or 'no name'}", source)
    return _judged(settings, found, ports, f"{source} ({address})")


def _judged(
    settings: PortsSettings, found: Mapping[int, Seen], ports: tuple[int, ...], source: str
) -> Answer:
    opened = sorted(port for port, seen in found.items() if seen is Seen.OPEN)
    facts = {"open": len(opened), "looked_at": len(found)}
    excerpt = f"open: {_listed(opened)}"
    wrong = list(_wrong(settings, found, opened))
    if all(seen is Seen.SILENT for seen in found.values()) and not settings.silent:
        return unknown("nothing answered on any port: it may be down", source, excerpt, **facts)
    if wrong:
        return failed("; ".join(wrong), source, excerpt, **facts)
    left = len(ports) - len(found)
    if left:
        return unknown(f"{left} of {len(ports)} ports were not reached in time", source, excerpt, **facts)
    return passed(f"of {len(ports)} ports open: {_listed(opened)}", source, excerpt, **facts)


def _wrong(settings: PortsSettings, found: Mapping[int, Seen], opened: Iterable[int]) -> Iterator[str]:
    stray = [port for port in opened if port not in settings.expected]
    if stray:
        yield f"open and not listed: {_listed(stray)}"
    for seen in (Seen.CLOSED, Seen.SILENT):
        missing = [port for port in settings.expected if found.get(port) is seen]
        if missing:
            yield f"listed and {seen.value}: {_listed(missing)}"


def _listed(ports: list[int]) -> str:
    more = f" and {len(ports) - _SHOWN} more" if len(ports) > _SHOWN else ""
    return (", ".join(map(str, ports[:_SHOWN])) or "none") + more


PORTS = ProbeKind(PortsSettings, guarded(_ask, _source))
"""See `PortsSettings`."""
