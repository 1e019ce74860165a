"""The probe `uptime`: a monitor elsewhere says that the service is up, and has said so lately."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tminus.domain.plan.secret import SecretRef
from tminus.domain.plan.times import MINUTE_MS, SECOND_MS, Millis, format_duration, parse_utc_ms
from tminus.domain.readiness.answer import Answer, failed, passed, unknown
from tminus.domain.watch.measurement import SKEW_MS
from tminus.ports.probes import Around, ProbeKind, Target
from tminus.probes.asking import at_pointer, check_address, get_json, scalar_text, secret_header
from tminus.probes.guard import guarded

_MILLISECONDS_FROM = 10**11  # as seconds this is the year 5138; every time in milliseconds is above it
_LATEST_DIGITS = 14  # of a time in milliseconds: the year 5138
_FRESH = Millis(5 * MINUTE_MS)


@dataclass(frozen=True, slots=True)
class UptimeSettings:
    """Where the monitor tells what, as JSON over HTTP.

    Attributes:
        url: the monitor's address for this service.
        value: JSON pointer to what it says.
        up: what it says when the service is up; numbers, true and false are compared as they are written.
        at: JSON pointer to when it last looked: seconds or milliseconds since the epoch, or ISO 8601.
        fresh: how old that may be.
        token: a secret that is sent.
        header: in which header it is sent; a bearer's in `Authorization`, as it is in any other.
    """

    url: str
    value: str
    up: tuple[str, ...] = ("up",)
    at: str = ""
    fresh: Millis = _FRESH
    token: SecretRef | None = None
    header: str = "Authorization"

    def __post_init__(self) -> None:
        """Refuses what cannot be asked.

        Raises:
            ValueError: see its sentence.
        """
        check_address(self.url)
        if self.url.startswith("/"):
            raise ValueError("a monitor of uptime stands elsewhere: write its whole address")
        for pointer in (self.value, self.at):
            if pointer and not pointer.startswith("/"):
                raise ValueError(f"{pointer!r} is no JSON pointer: it starts with /")
        if not self.up:
            raise ValueError("`up` is empty: write what the monitor says when the service is up")


def _source(settings: UptimeSettings, target: Target) -> str:
    del target
    return f"GET {settings.url}"


def _ask(settings: UptimeSettings, around: Around, limit_ms: int) -> Answer:
    source = _source(settings, around.target)
    headers = secret_header(settings.token, settings.header, around)
    document = get_json(settings.url, headers, limit_ms, source)
    if isinstance(document, Answer):
        return document
    try:
        said = scalar_text(at_pointer(document, settings.value))
        age_ms = _age_ms(at_pointer(document, settings.at), around.now_ms()) if settings.at else None
    except (LookupError, ValueError) as error:
        return unknown(str(error.args[0]), source)
    if said is None:
        return unknown(f"an object or a list stands at {settings.value or 'its top'}", source)
    facts = {} if age_ms is None else {"age_ms": age_ms}
    if age_ms is not None and age_ms > settings.fresh:
        why = (
            f"the monitor last looked {format_duration(age_ms)} ago, limit {format_duration(settings.fresh)}"
        )
        return unknown(why, source, said, **facts)
    if said not in settings.up:
        return failed(f"the monitor does not say {' or '.join(settings.up)}", source, said, **facts)
    when = "without saying when it looked" if age_ms is None else f"it looked {format_duration(age_ms)} ago"
    return passed(f"the monitor says {settings.up[settings.up.index(said)]}, {when}", source, said, **facts)


def _age_ms(value: Any, now_ms: int) -> int:  # noqa: ANN401 - any JSON
    """How old a time is.

    Raises:
        ValueError: it is no time, or one to come.
    """
    try:
        at_ms = _instant_ms(value)
    except ValueError:
        raise ValueError("what should say when the monitor looked is no time") from None
    if at_ms > now_ms + SKEW_MS:
        raise ValueError("the monitor says that it looked at a time to come")
    return max(0, now_ms - at_ms)


def _instant_ms(value: Any) -> int:  # noqa: ANN401 - any JSON
    if isinstance(value, str):
        return parse_utc_ms(value)
    if not isinstance(value, Decimal) or not value.is_finite() or value.adjusted() >= _LATEST_DIGITS:
        raise ValueError("no time that can be meant")
    return int(value if abs(value) >= _MILLISECONDS_FROM else value * SECOND_MS)


UPTIME = ProbeKind(UptimeSettings, guarded(_ask, _source))
"""See `UptimeSettings`."""
