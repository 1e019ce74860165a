"""The probe `rate-limit`: somebody who asks too often is told so, before a bounded number of requests."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock

from tminus.adapters.clock.deadline import Deadline
from tminus.domain.readiness.answer import Answer, failed, passed, unknown
from tminus.domain.watch.measurement import Missed
from tminus.ports.probes import Around, ProbeKind, Target
from tminus.probes.asking import check_address, check_own_host, get, known_address, own_address
from tminus.probes.guard import guarded

MOST_REQUESTS = 200
"""Sent by one probe: more would be a load of its own."""

_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class RateLimitSettings:
    """How often is asked, and what must answer it.

    Attributes:
        requests: sent at most, 200 or fewer; the first that is refused ends it.
        url: a path of the service, or an address on its own host or on this machine; nobody else is asked.
        refused: statuses by which somebody who asks too often is told so.
    """

    requests: int = 100
    url: str = "/"
    refused: tuple[int, ...] = (429,)

    def __post_init__(self) -> None:
        """Refuses what cannot be asked.

        Raises:
            ValueError: see its sentence.
        """
        check_address(self.url)
        if not 1 < self.requests <= MOST_REQUESTS:
            raise ValueError(f"`requests` must be from 2 to {MOST_REQUESTS}, not {self.requests}")
        if not self.refused:
            raise ValueError("no status is expected: write at least one, such as 429")


@dataclass(slots=True)
class _Count:
    """What became of the requests.

    Attributes:
        answered: by status.
        missed: that were not answered, and why the first was not.
    """

    lock: Lock = field(default_factory=Lock)
    sent: int = 0
    answered: dict[int, int] = field(default_factory=dict)
    missed: int = 0
    why: str = ""


def _source(settings: RateLimitSettings, target: Target) -> str:
    return f"GET {known_address(settings.url, target)}, up to {settings.requests} times"


def _ask(settings: RateLimitSettings, around: Around, limit_ms: int) -> Answer:
    source = _source(settings, around.target)
    url = own_address(settings.url, around.target)
    if not url:
        return unknown("the service has no address yet", source)
    check_own_host(url, around.target)
    deadline = Deadline(limit_ms)
    count = _Count()
    _send(settings, url, deadline, count)
    if count.missed:
        return unknown(f"the first request: {count.why}", source)
    if count.answered.keys() & set(settings.refused):
        why = "the first request is refused already: it may always be, or from an earlier look"
        return unknown(why, source, _excerpt(count))
    with ThreadPoolExecutor(_AT_ONCE, "rate-limit") as pool:
        for each in [pool.submit(_repeat, settings, url, deadline, count) for _ in range(_AT_ONCE)]:
            each.result()
    return _judged(settings, count, deadline.taken_ms, source)


def _judged(settings: RateLimitSettings, count: _Count, taken_ms: int, source: str) -> Answer:
    facts = {"requests": count.sent, "took_ms": taken_ms}
    met = sorted(count.answered.keys() & set(settings.refused))
    if met:
        why = f"{met[0]} came within {count.sent} requests in {taken_ms} ms"
        return passed(why, source, _excerpt(count), **facts)
    if count.missed:
        why = f"{count.missed} of {count.sent} requests were not answered: {count.why}"
        return unknown(why, source, _excerpt(count), **facts)
    expected = " or ".join(map(str, settings.refused))
    if count.sent < settings.requests:
        why = f"no {expected} came within {count.sent} requests, and there was no time for more"
        return unknown(why, source, _excerpt(count), **facts)
    why = f"no {expected} came within {count.sent} requests in {taken_ms} ms"
    return failed(why, source, _excerpt(count), **facts)


def _repeat(settings: RateLimitSettings, url: str, deadline: Deadline, count: _Count) -> None:
    while not deadline.over and not count.missed and not count.answered.keys() & set(settings.refused):
        if not _send(settings, url, deadline, count):
            return


def _send(settings: RateLimitSettings, url: str, deadline: Deadline, count: _Count) -> bool:
    """Sends one more; False where all were."""
    with count.lock:
        if count.sent >= settings.requests:
            return False
        count.sent += 1
    found = get(url, (), deadline.left_ms)
    with count.lock:
        if isinstance(found, Missed):
            count.missed += 1
            count.why = count.why or found.why
        else:
            count.answered = {**count.answered, found.status: count.answered.get(found.status, 0) + 1}
    return True


def _excerpt(count: _Count) -> str:
    return "\n".join(f"{status}: {number} times" for status, number in sorted(count.answered.items()))


RATE_LIMIT = ProbeKind(RateLimitSettings, guarded(_ask, _source))
"""See `RateLimitSettings`."""
