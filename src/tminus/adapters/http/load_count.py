"""The load generator's count while it runs: every request begun has exactly one fate."""

from collections import Counter
from dataclasses import dataclass, field

from tminus.adapters.http.connection import Fate
from tminus.adapters.http.load_spec import FAILURES_LIMIT, KindCount, LoadFailure, LoadResult, Served
from tminus.adapters.http.wire import AnswerParser

_PERCENTILES = (50, 95, 99, 100)
_EXACT_US = 1_000  # below a millisecond a latency is kept to the microsecond, above to three digits


@dataclass(slots=True)
class Request:
    """A request under way. Times are microseconds since the epoch."""

    number: int
    kind: str
    content: bytes
    due_us: int
    started_us: int = 0
    answer: AnswerParser = field(default_factory=AnswerParser)


class LoadCount:
    """Counts in one thread."""

    def __init__(self, kinds: tuple[str, ...]) -> None:
        """Takes the kinds of requests."""
        self._sent = dict.fromkeys(kinds, 0)
        self._fates: dict[str, Counter[Fate]] = {kind: Counter() for kind in kinds}
        self._statuses: Counter[int] = Counter()
        self._latencies: Counter[int] = Counter()
        self._slots: dict[str, _Served] = {}
        self._releases: dict[str, _Served] = {}
        self._failures: list[LoadFailure] = []
        self._waited_max_us = 0

    def begin(self, request: Request) -> None:
        """Notes a request that is being written."""
        self._sent[request.kind] += 1
        self._waited_max_us = max(self._waited_max_us, request.started_us - request.due_us)

    def end(self, request: Request, ended_us: int, why: str) -> None:
        """Notes its fate; `why` is empty when the answer is complete."""
        answer = request.answer
        if why:
            fate = Fate.CUT if answer.status else Fate.LOST
        else:
            fate = Fate.FAILED if answer.status >= 500 else Fate.ANSWERED  # noqa: PLR2004 - server errors
            self._statuses[answer.status] += 1
            self._latencies[_rounded(ended_us - request.started_us)] += 1
            _note(self._slots, answer.headers.get("x-slot", ""), request.started_us, ended_us)
            _note(self._releases, answer.headers.get("x-release", ""), request.started_us, ended_us)
        self._fates[request.kind][fate] += 1
        if fate is not Fate.ANSWERED and len(self._failures) < FAILURES_LIMIT:
            self._failures.append(
                LoadFailure(
                    request.number,
                    request.kind,
                    request.started_us,
                    ended_us,
                    fate.value,
                    answer.status,
                    answer.headers.get("x-slot") or answer.headers.get("x-release", ""),
                    why,
                )
            )

    def result(self, started_us: int, ended_us: int) -> LoadResult:
        """Everything counted."""
        fates: Counter[Fate] = sum(self._fates.values(), Counter())
        return LoadResult(
            _kind_count(sum(self._sent.values()), fates),
            {kind: _kind_count(self._sent[kind], self._fates[kind]) for kind in self._sent},
            {str(status): count for status, count in sorted(self._statuses.items())},
            {slot: served.value() for slot, served in sorted(self._slots.items())},
            {release: served.value() for release, served in sorted(self._releases.items())},
            tuple(self._failures),
            started_us,
            ended_us - started_us,
            self._waited_max_us,
            self._percentiles(),
        )

    def _percentiles(self) -> dict[str, int]:
        total = sum(self._latencies.values())
        if not total:
            return {}
        found: dict[str, int] = {}
        seen = 0
        wanted = list(_PERCENTILES)
        for latency in sorted(self._latencies):
            seen += self._latencies[latency]
            while wanted and seen * 100 >= total * wanted[0]:
                percent = wanted.pop(0)
                found["max" if percent == _PERCENTILES[-1] else f"p{percent}"] = latency
        return found


class _Served:
    """Grows while answers come."""

    __slots__ = ("count", "first_started_us", "last_ended_us", "last_started_us")

    def __init__(self, started_us: int) -> None:
        self.count = 0
        self.first_started_us = self.last_started_us = started_us
        self.last_ended_us = 0

    def value(self) -> Served:
        return Served(self.count, self.first_started_us, self.last_started_us, self.last_ended_us)


def _note(group: dict[str, _Served], name: str, started_us: int, ended_us: int) -> None:
    served = group.get(name)
    if served is None:
        served = group[name] = _Served(started_us)
    served.count += 1
    served.first_started_us = min(served.first_started_us, started_us)
    served.last_started_us = max(served.last_started_us, started_us)
    served.last_ended_us = max(served.last_ended_us, ended_us)


def _kind_count(sent: int, fates: Counter[Fate]) -> KindCount:
    return KindCount(sent, fates[Fate.ANSWERED], fates[Fate.FAILED], fates[Fate.LOST], fates[Fate.CUT])


def _rounded(latency_us: int) -> int:
    scale = 1
    while latency_us // scale >= _EXACT_US:
        scale *= 10
    return latency_us // scale * scale
