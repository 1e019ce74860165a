"""The probe `postgres`: a server has its role, its replicas keep up, connections are left, no lock hangs."""

from collections.abc import Iterator
from dataclasses import dataclass

from tminus.adapters.postgres.health import Health, read_health
from tminus.adapters.postgres.session import parse_address
from tminus.domain.plan.secret import SecretRef
from tminus.domain.plan.times import SECOND_MS, Millis
from tminus.domain.readiness.answer import Answer, failed, passed, unknown
from tminus.ports.fault import PortFault
from tminus.ports.probes import Around, ProbeKind, Target
from tminus.probes.guard import guarded

_PERCENT = 100
_PPM = 10_000  # in one percent
_MAJOR = 10_000  # PostgreSQL counts 160003 for 16.3
_SOURCE = "pg_stat_replication, pg_stat_database, pg_locks"
_STANDBY_SOURCE = "pg_stat_wal_receiver, pg_stat_database, pg_locks"
_LAG = Millis(10 * SECOND_MS)
_LOCK_WAIT = Millis(30 * SECOND_MS)


@dataclass(frozen=True, slots=True)
class PostgresSettings:
    """Which server is asked, and what it must say.

    Attributes:
        url: a secret: the connection string, as `postgresql://user:password@host/database`. A role with
            `pg_monitor` sees everything that is asked for.
        primary: it must take writes; `no` for a replica, which must stream and keep up itself.
        replicas: that must stream from it at least.
        lag: how far behind replicas may be.
        connections: percent of the connections that may be in use at most.
        lock_wait: how long a session may wait for a lock.
        version: the oldest major version; 0 takes any.
    """

    url: SecretRef
    primary: bool = True
    replicas: int = 0
    lag: Millis = _LAG
    connections: int = 75
    lock_wait: Millis = _LOCK_WAIT
    version: int = 0

    def __post_init__(self) -> None:
        """Refuses what cannot be asked.

        Raises:
            ValueError: see its sentence.
        """
        if self.replicas < 0 or self.version < 0 or not 0 < self.connections <= _PERCENT:
            raise ValueError("counts cannot be below zero, and `connections` is from 1 to 100 percent")
        if self.replicas and not self.primary:
            raise ValueError("`replicas` are counted on their primary")


def _source(settings: PostgresSettings, target: Target) -> str:
    del target
    return _SOURCE if settings.primary else _STANDBY_SOURCE


def _ask(settings: PostgresSettings, around: Around, limit_ms: int) -> Answer:
    source = _source(settings, around.target)
    address = parse_address(around.secret(settings.url))
    try:
        found = read_health(address, limit_ms)
    except PortFault as fault:
        return unknown(fault.why, source)
    facts = {
        "version": found.version,
        "streaming": found.streaming,
        "connections_ppm": found.connections_ppm,
        "waiting": found.waiting,
        **({} if found.lag_ms is None else {"lag_ms": found.lag_ms}),
        **({} if found.lag_bytes is None else {"lag_bytes": found.lag_bytes}),
        **({} if found.longest_wait_ms is None else {"lock_wait_ms": found.longest_wait_ms}),
    }
    excerpt = "\n".join(f"{name} {number}" for name, number in sorted(facts.items()))
    wrong = list(_wrong(settings, found))
    if wrong:
        return failed("; ".join(wrong), source, excerpt, **facts)
    doubts = list(_doubts(settings, found))
    if doubts:
        return unknown("; ".join(doubts), source, excerpt, **facts)
    return passed(_good(found), source, excerpt, **facts)


def _wrong(settings: PostgresSettings, found: Health) -> Iterator[str]:
    if found.primary is not settings.primary:
        yield "it takes writes, wanted a replica" if found.primary else "it is a replica, wanted the primary"
        return
    if found.version // _MAJOR < settings.version:
        yield f"its version is {found.version // _MAJOR}, wanted {settings.version} or later"
    wanted = settings.replicas if settings.primary else 1
    if found.streaming + found.hidden < wanted:
        yield (
            f"{found.streaming} replicas stream from it, wanted at least {wanted}"
            if settings.primary
            else "it streams from no primary"
        )
    if found.lag_ms is not None and found.lag_ms > settings.lag:
        whose = "a replica" if settings.primary else "it"
        yield f"{whose} is {found.lag_ms} ms behind, limit {settings.lag} ms"
    if found.connections_ppm > settings.connections * _PPM:
        share = found.connections_ppm / _PPM
        yield f"{share:.1f} % of its connections are in use, limit {settings.connections} %"
    if found.longest_wait_ms is not None and found.longest_wait_ms > settings.lock_wait:
        yield f"a session has waited {found.longest_wait_ms} ms for a lock, limit {settings.lock_wait} ms"


def _doubts(settings: PostgresSettings, found: Health) -> Iterator[str]:
    wanted = settings.replicas if settings.primary else 1
    if found.hidden and found.streaming < wanted:
        yield "its role may not see replication: GRANT pg_monitor"
    if not settings.primary and found.lag_ms is None:
        yield "it has replayed nothing yet, so how far it is behind cannot be told"
    if found.waiting and found.longest_wait_ms is None:
        yield f"{found.waiting} sessions wait for a lock, and since when is not told"


def _good(found: Health) -> str:
    role = (
        f"the primary with {found.streaming} streaming replicas" if found.primary else "a streaming replica"
    )
    lag = "" if found.lag_ms is None else f", {found.lag_ms} ms behind"
    return (
        f"it is {role}{lag}, {found.connections_ppm / _PPM:.1f} % of its connections are in use, "
        f"{found.waiting} sessions wait for a lock"
    )


POSTGRES = ProbeKind(PostgresSettings, guarded(_ask, _source))
"""See `PostgresSettings`."""
