"""The probe `waf`: a harmless pattern of an attack is refused, while the same request without it is not."""

from dataclasses import dataclass

from tminus.adapters.clock.deadline import Deadline
from tminus.domain.readiness.answer import Answer, failed, passed, unknown
from tminus.domain.watch.measurement import Missed
from tminus.ports.probes import Around, ProbeKind, Target
from tminus.probes.asking import check_address, check_own_host, get, known_address, own_address, shown
from tminus.probes.guard import guarded

_PATTERN = "tminus=%3Cscript%3Ealert(1)%3C/script%3E"  # every common rule set knows it, and nothing runs it
_FINE = range(200, 400)


@dataclass(frozen=True, slots=True)
class WafSettings:
    """What is asked with and without a pattern.

    Attributes:
        url: a path of the service, or an address on its own host or on this machine; nobody else is asked.
        query: the pattern, as a percent-encoded query.
        refused: statuses of which one must answer it.
    """

    url: str = "/"
    query: str = _PATTERN
    refused: tuple[int, ...] = (403, 406)

    def __post_init__(self) -> None:
        """Refuses what cannot be asked.

        Raises:
            ValueError: see its sentence.
        """
        check_address(self.url)
        if not self.query or not self.query.isascii() or " " in self.query:
            raise ValueError("`query` must be a percent-encoded query such as q=%3Cscript%3E")
        if not self.refused:
            raise ValueError("no status is expected: write at least one, such as 403")


def _source(settings: WafSettings, target: Target) -> str:
    url = known_address(settings.url, target)
    return f"GET {url}, and with {settings.query}"


def _ask(settings: WafSettings, around: Around, limit_ms: int) -> Answer:
    source = _source(settings, around.target)
    url = own_address(settings.url, around.target)
    if not url:
        return unknown("the service has no address yet", source)
    check_own_host(url, around.target)
    deadline = Deadline(limit_ms)
    plain = get(url, (), deadline.left_ms)
    if isinstance(plain, Missed):
        return unknown(f"without the pattern: {plain.why}", source)
    if plain.status not in _FINE:
        return unknown(f"it answers {plain.status} without the pattern too", source, shown(plain))
    tried = get(f"{url}{'&' if '?' in url else '?'}{settings.query}", (), deadline.left_ms)
    if isinstance(tried, Missed):
        return unknown(f"with the pattern: {tried.why}", source)
    facts = {"status_plain": plain.status, "status_pattern": tried.status}
    if tried.status in settings.refused:
        return passed(f"the pattern is refused with {tried.status}", source, shown(tried), **facts)
    expected = " or ".join(map(str, settings.refused))
    why = f"the pattern is answered with {tried.status}, expected {expected}"
    return failed(why, source, shown(tried), **facts)


WAF = ProbeKind(WafSettings, guarded(_ask, _source))
"""See `WafSettings`."""
