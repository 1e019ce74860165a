"""Named metrics of a plan: where a number comes from, and how often. Must not measure anything."""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from tminus.domain.plan.secret import SecretRef
from tminus.domain.plan.times import MINUTE_MS, SECOND_MS

MICRO = 1_000_000
"""Values of metrics are whole millionths of their unit, so that no journal holds a fraction."""

PERCENT = "%"

SLOT, VERSION = "slot", "version"
PLACEHOLDERS = (SLOT, VERSION)
"""What a source may name in braces: it is then asked once for each of the two versions."""


class MetricKind(StrEnum):
    """What a number is.

    RATIO counts bad and all cases; GAUGE is a level, judged by how long it lasts; COUNT counts cases.
    """

    RATIO = "ratio"
    GAUGE = "gauge"
    COUNT = "count"


class SystemGauge(StrEnum):
    """What this machine tells of itself: shares in percent, memory of a slot in MB."""

    CPU = "cpu"
    MEMORY = "memory"
    DISK_FREE = "disk-free"
    LOAD = "load"
    SLOT_MEMORY = "slot-memory"


class DatabaseGauge(StrEnum):
    """What the service's database tells of itself: connections in percent, times in ms."""

    CONNECTIONS = "connections"
    LATENCY = "latency"
    REPLICA_LAG = "replica-lag"


class ReportFormat(StrEnum):
    """Formats of security reports; SARIF 2.1.0 and CycloneDX 1.x with VEX analysis, both as JSON."""

    SARIF = "sarif"
    CYCLONEDX = "cyclonedx"


@dataclass(frozen=True, slots=True)
class Headers:
    """Headers of a request: `plain` as they are, `secret` with values fetched when the job starts."""

    plain: tuple[tuple[str, str], ...] = ()
    secret: tuple[tuple[str, SecretRef], ...] = ()
    token: SecretRef | None = None


@dataclass(frozen=True, slots=True)
class PrometheusSource:
    """Instant queries to a Prometheus: `query` for one value, or `bad` and `total`."""

    kind: ClassVar[str] = "prometheus"
    url: str
    query: str = ""
    bad: str = ""
    total: str = ""
    headers: Headers = Headers()


@dataclass(frozen=True, slots=True)
class HttpSource:
    """A JSON document: pointers (RFC 6901) to `value`, or to `bad` and `total`.

    `at` points to the time of the numbers, in seconds or milliseconds since the epoch; None where the
    document has none.
    """

    kind: ClassVar[str] = "http"
    url: str
    value: str | None = None
    bad: str | None = None
    total: str | None = None
    at: str | None = None
    headers: Headers = Headers()


@dataclass(frozen=True, slots=True)
class SqlSource:
    """A query to the service's database: one number, or two for bad and all."""

    kind: ClassVar[str] = "sql"
    sql: str
    url: SecretRef


@dataclass(frozen=True, slots=True)
class CommandSource:
    """A command of the team that prints `{"value": n}` or `{"bad": b, "total": t}`."""

    kind: ClassVar[str] = "command"
    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()
    secrets: tuple[tuple[str, SecretRef], ...] = ()


@dataclass(frozen=True, slots=True)
class SystemSource:
    """A gauge of this machine. `slot` names the slot whose processes are meant, for their memory."""

    kind: ClassVar[str] = "system"
    gauge: SystemGauge
    slot: str = ""


@dataclass(frozen=True, slots=True)
class DatabaseSource:
    """A gauge of the service's database."""

    kind: ClassVar[str] = "database"
    gauge: DatabaseGauge
    url: SecretRef


@dataclass(frozen=True, slots=True)
class ReportSource:
    """A scanner's report: the number of critical findings in it. Exactly one of `path` and `url`."""

    kind: ClassVar[str] = "report"
    format: ReportFormat
    path: str = ""
    url: str = ""
    headers: Headers = Headers()


@dataclass(frozen=True, slots=True)
class PersonSource:
    """A person enters it with `tminus note`; `asks` says what."""

    kind: ClassVar[str] = "person"
    asks: str


MetricSource = (
    PrometheusSource
    | HttpSource
    | SqlSource
    | CommandSource
    | SystemSource
    | DatabaseSource
    | ReportSource
    | PersonSource
)


@dataclass(frozen=True, slots=True)
class MetricDefinition:
    """One named metric of a plan.

    Attributes:
        name: limits name it by this.
        source: where its numbers come from.
        counted: what they are; `kind` in a plan.
        unit: shown behind a value; `%` for shares, empty for plain numbers.
        every_ms: how often it is measured.
        limit_ms: a slower answer is no answer.
        oldest_ms: a number whose own time is older than this is stale.
        cumulative: bad and all cases are counted since the source began, so that differences count.
        dedupe: by what the source counts each case once, such as a payment's id; empty where it does not.
    """

    name: str
    source: MetricSource
    counted: MetricKind = MetricKind.GAUGE
    unit: str = ""
    every_ms: int = 10 * SECOND_MS
    limit_ms: int = 5 * SECOND_MS
    oldest_ms: int = MINUTE_MS
    cumulative: bool = False
    dedupe: str = ""

    @property
    def by_person(self) -> bool:
        """Nothing asks for it: people enter it."""
        return isinstance(self.source, PersonSource)


VULNERABILITY = "vulnerability"
"""The metric by which a person says that a security vulnerability was discovered."""


def vulnerability() -> MetricDefinition:
    """Security vulnerabilities that somebody has discovered in the candidate, each noted once."""
    asks = "security vulnerabilities discovered in this release"
    return MetricDefinition(VULNERABILITY, PersonSource(asks), MetricKind.COUNT)


def is_split(source: MetricSource) -> bool:
    """Whether a source names `{slot}` or `{version}`, and so can tell the two versions apart."""
    return any(f"{{{name}}}" in text for text in _texts(source) for name in PLACEHOLDERS)


def _texts(source: MetricSource) -> tuple[str, ...]:
    match source:
        case PrometheusSource():
            return (source.query, source.bad, source.total)
        case HttpSource():
            return (source.url,)
        case SqlSource():
            return (source.sql,)
        case CommandSource():
            return (*source.command, *(value for _, value in source.environment))
        case SystemSource():
            return (source.slot,)
        case _:
            return ()
