"""The probe `instances`: enough instances answer for themselves, asked straight and not by the router."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from tminus.adapters.clock.deadline import Deadline
from tminus.domain.readiness.answer import Answer, failed, passed, unknown
from tminus.domain.readiness.verdict import Outcome
from tminus.domain.watch.measurement import Missed
from tminus.ports.probes import Around, ProbeKind, Target
from tminus.probes.asking import check_address, get
from tminus.probes.guard import guarded

_AT_ONCE = 16
_MOST = 256  # instances: a service of more is asked for a part of them
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class InstancesSettings:
    """How many instances must be healthy, and what shows it.

    Attributes:
        least: healthy instances there must be at least.
        path: that each is asked for.
        status: that a healthy one answers.
        addresses: `host:port` of each, or a base address; those of the service where none is given.
    """

    least: int
    path: str = "/healthz"
    status: int = 200
    addresses: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuses what cannot be asked.

        Raises:
            ValueError: see its sentence.
        """
        if self.least < 1:
            raise ValueError("`least` must be 1 or more: no instance at all is never healthy")
        if not self.path.startswith("/"):
            raise ValueError(f"{self.path!r} is no path: it starts with /")
        if len(self.addresses) > _MOST:
            raise ValueError(f"at most {_MOST} addresses")
        for address in self.addresses:
            check_address(_base(address))


def _source(settings: InstancesSettings, target: Target) -> str:
    count = len(_addresses(settings, target))
    return f"GET {settings.path} of {count} {'instance' if count == 1 else 'instances'}"


def _addresses(settings: InstancesSettings, target: Target) -> tuple[str, ...]:
    """Each once: an instance that is named twice is still one."""
    found = settings.addresses or target.instances
    return tuple(dict.fromkeys(_base(address) for address in found))[:_MOST]


def _base(address: str) -> str:
    return (address if "://" in address else f"http://{address}").rstrip("/")


def _ask(settings: InstancesSettings, around: Around, limit_ms: int) -> Answer:
    source = _source(settings, around.target)
    addresses = _addresses(settings, around.target)
    if not addresses:
        return unknown("no address of an instance is known", source)
    deadline = Deadline(limit_ms)
    look: Callable[[str], tuple[Outcome, str]] = partial(_look, settings, deadline)
    with ThreadPoolExecutor(_AT_ONCE, "instance") as pool:
        seen = list(pool.map(look, addresses))
    healthy, silent = (
        sum(outcome is wanted for outcome, _ in seen) for wanted in (Outcome.PASS, Outcome.INCONCLUSIVE)
    )
    excerpt = "\n".join(
        f"{address} {told}" for address, (_, told) in list(zip(addresses, seen, strict=True))[:_SHOWN]
    )
    facts = {"healthy": healthy, "instances": len(addresses)}
    why = f"{healthy} of {len(addresses)} instances are healthy, wanted at least {settings.least}"
    if healthy >= settings.least:
        return passed(why, source, excerpt, **facts)
    if healthy + silent >= settings.least:
        return unknown(f"{why}; {silent} cannot be reached", source, excerpt, **facts)
    return failed(why, source, excerpt, **facts)


def _look(settings: InstancesSettings, deadline: Deadline, address: str) -> tuple[Outcome, str]:
    if deadline.over:
        return Outcome.INCONCLUSIVE, "was not reached in time"
    found = get(address + settings.path, (), deadline.left_ms)
    if isinstance(found, Missed):
        return Outcome.INCONCLUSIVE, found.why
    return Outcome.PASS if found.status == settings.status else Outcome.FAIL, f"answers {found.status}"


INSTANCES = ProbeKind(InstancesSettings, guarded(_ask, _source))
"""See `InstancesSettings`."""
