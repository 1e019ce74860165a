"""The probe `tls`: a certificate that clients trust, under this name, long enough, and no old protocol."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from tminus.adapters.clock.deadline import Deadline
from tminus.adapters.network.handshake import NotTlsError, Shown, Version, chain_fault, greet, speaks
from tminus.domain.plan.times import DAY_MS, format_utc
from tminus.domain.readiness.answer import Answer, failed, passed, unknown
from tminus.ports.probes import Around, ProbeKind, Target
from tminus.probes.guard import guarded

_HTTPS_PORT = 443


class Oldest(StrEnum):
    """The oldest version of TLS that may be spoken."""

    TLS_1_2 = "1.2"
    TLS_1_3 = "1.3"


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """Where a certificate is shown, and what it must be.

    Attributes:
        host: where to connect to; the service's own where it is not given.
        port: of that host; the service's own where both are not given.
        name: that the certificate must bear; the host's where it is not given.
        days_left: for how many days it must hold still.
        oldest: the oldest version of TLS that is spoken: `1.2` or `1.3`. Older ones must be refused.
        roots: file of certificates that are trusted instead of the system's, as PEM.
    """

    host: str = ""
    port: int = 0
    name: str = ""
    days_left: int = 14
    oldest: Oldest = Oldest.TLS_1_2
    roots: str = ""

    def __post_init__(self) -> None:
        """Refuses what cannot be asked.

        Raises:
            ValueError: see its sentence.
        """
        if not 0 <= self.port < 1 << 16:
            raise ValueError(f"{self.port} is no port")
        if self.days_left < 0:
            raise ValueError("`days_left` cannot be below zero")


def _place(settings: TlsSettings, target: Target) -> tuple[str, int]:
    own = urlsplit(target.url)
    if settings.host:
        return settings.host, settings.port or _HTTPS_PORT
    return own.hostname or "", settings.port or own.port or _HTTPS_PORT


def _source(settings: TlsSettings, target: Target) -> str:
    host, port = _place(settings, target)
    return f"TLS handshake with {host}:{port} as {settings.name or host}"


def _ask(settings: TlsSettings, around: Around, limit_ms: int) -> Answer:
    source = _source(settings, around.target)
    host, port = _place(settings, around.target)
    if not host:
        return unknown("the service has no address yet", source)
    deadline = Deadline(limit_ms)
    name = settings.name or host
    refused = Version.TLS_1_1 if settings.oldest is Oldest.TLS_1_2 else Version.TLS_1_2
    roots = str(around.repository / settings.roots) if settings.roots else ""
    if roots and not Path(roots).is_file():
        return unknown(f"the file of roots {settings.roots} is not there", source)
    try:
        shown = greet(host, port, name, deadline.left_ms / 1000)
        fault = chain_fault(host, port, name, deadline.left_ms / 1000, roots) if _modern(shown) else ""
        old = speaks(host, port, name, refused, deadline.left_ms / 1000)
    except NotTlsError as error:
        return unknown(f"no TLS handshake comes about: {error}", source)
    except TimeoutError:
        return unknown(f"no handshake within {limit_ms} ms", source)
    except (OSError, UnicodeError) as error:
        return unknown(f"no handshake: {getattr(error, 'strerror', '') or type(error).__name__}", source)
    older = f"what is older than TLS {settings.oldest.value}"
    faults = [f"clients do not trust it: {fault}"] if fault else []
    faults += [f"it still speaks {older}"] if old else []
    doubt = f"it does not say whether it refuses {older}" if old is None else ""
    return _judged(settings, shown, tuple(faults), doubt, around.now_ms(), source)


def _judged(
    settings: TlsSettings, shown: Shown, faults: tuple[str, ...], doubt: str, now_ms: int, source: str
) -> Answer:
    days = (shown.certificate.ends_ms - now_ms) // DAY_MS
    excerpt = (
        f"{shown.version}, names {', '.join(shown.certificate.names) or 'none'}, "
        f"issuer {shown.certificate.issuer}, until {format_utc(shown.certificate.ends_ms)}"
    )
    wrong = [*_wrong(settings, shown, days, now_ms), *faults]
    if wrong:
        return failed("; ".join(wrong), source, excerpt, days_left=days)
    if doubt:
        return unknown(doubt, source, excerpt, days_left=days)
    why = f"{shown.version}, a trusted chain, the right name, {days} days left"
    return passed(why, source, excerpt, days_left=days)


def _wrong(settings: TlsSettings, shown: Shown, days: int, now_ms: int) -> Iterator[str]:
    if shown.certificate.ends_ms <= now_ms:
        yield f"its certificate has ended on {format_utc(shown.certificate.ends_ms)}"
    elif days < settings.days_left:
        yield f"its certificate ends in {days} days, wanted at least {settings.days_left}"
    if shown.version < f"TLSv{settings.oldest.value}":
        yield f"it speaks {shown.version}, wanted TLS {settings.oldest.value} or later"


def _modern(shown: Shown) -> bool:
    """Whether a client of today comes as far as looking at the chain."""
    return shown.version in (Version.TLS_1_2, Version.TLS_1_3)


TLS = ProbeKind(TlsSettings, guarded(_ask, _source))
"""See `TlsSettings`."""
