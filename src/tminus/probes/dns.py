"""The probe `dns`: a name leads where it should, as this machine's own resolver sees it."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from tminus.domain.readiness.answer import Answer, failed, passed, unknown
from tminus.ports.probes import Around, ProbeKind, Target
from tminus.probes.guard import guarded

_ABSENT = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))


@dataclass(frozen=True, slots=True)
class DnsSettings:
    """A name, and where it must lead.

    Attributes:
        name: of a host; the service's own where it is not given.
        addresses: all that it must resolve to, IPv4 and IPv6, and no other; empty looks at none.
        cname: the name that it must be an alias of, directly or through others.
    """

    name: str = ""
    addresses: tuple[str, ...] = ()
    cname: str = ""

    def __post_init__(self) -> None:
        """Refuses what is no address.

        Raises:
            ValueError: see its sentence.
        """
        for address in self.addresses:
            ip_address(address)


def _name(settings: DnsSettings, target: Target) -> str:
    return settings.name or urlsplit(target.url).hostname or ""


def _source(settings: DnsSettings, target: Target) -> str:
    return f"this machine's resolver: {_name(settings, target)}"


def _ask(settings: DnsSettings, around: Around, limit_ms: int) -> Answer:
    del limit_ms  # the system's resolver knows no limit; the guard has one
    source = _source(settings, around.target)
    name = _name(settings, around.target)
    if not name:
        return unknown("the service has no address yet", source)
    try:
        answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME)
    except socket.gaierror as error:
        if error.errno in _ABSENT:
            return failed("the resolver knows no such name", source)
        return unknown("the resolver does not answer", source)
    except (OSError, UnicodeError):
        return unknown("this is no name that can be looked up", source)
    addresses = {str(ip_address(str(each[4][0]).partition("%")[0])) for each in answers}
    canonical = next((each[3] for each in answers if each[3]), "")
    excerpt = "\n".join((*sorted(addresses), *([f"canonical name {canonical}"] if canonical else [])))
    wrong = list(_wrong(settings, addresses, canonical))
    if wrong:
        return failed("; ".join(wrong), source, excerpt, addresses=len(addresses))
    return passed(f"it resolves to {', '.join(sorted(addresses))}", source, excerpt, addresses=len(addresses))


def _wrong(settings: DnsSettings, addresses: set[str], canonical: str) -> Iterator[str]:
    if settings.addresses:
        wanted = {str(ip_address(address)) for address in settings.addresses}
        if wanted - addresses:
            yield f"it does not resolve to {', '.join(sorted(wanted - addresses))}"
        if addresses - wanted:
            yield f"it resolves to {', '.join(sorted(addresses - wanted))}, which is not listed"
    if settings.cname and canonical.rstrip(".").lower() != settings.cname.rstrip(".").lower():
        yield f"it is no alias of {settings.cname}, its canonical name is {canonical or 'not told'}"


DNS = ProbeKind(DnsSettings, guarded(_ask, _source))
"""See `DnsSettings`."""
