"""Metrics from the service's database: queries of the plan, and gauges of the database itself."""

from tminus.adapters.postgres.inspection import PostgresInspection
from tminus.domain.plan.metric import DatabaseGauge, DatabaseSource, SqlSource
from tminus.domain.watch.measurement import MeasuredState, Missed, Taken
from tminus.ports.database import DatabaseReading
from tminus.ports.fault import PortFault
from tminus.ports.metrics import Surroundings

_STATES = {"database-unreachable": MeasuredState.UNREACHABLE, "database-slow": MeasuredState.SLOW}
_PPM_PER_PERCENT = 10_000
_US_PER_MS = 1_000


class DatabaseMetric:
    """`ports.metrics.Source` over one connection of its own, that can only read."""

    def __init__(self, source: SqlSource | DatabaseSource, around: Surroundings) -> None:
        """Makes no call.

        Raises:
            Refused: a secret is missing, or `database-url-invalid`.
        """
        self._source = source
        self._inspection = PostgresInspection(around.secret(source.url))

    def read(self, limit_ms: int) -> Taken | Missed:
        """See the port."""
        try:
            if isinstance(self._source, SqlSource):
                numbers = self._inspection.read_numbers(self._source.sql, limit_ms)
                if numbers is None:
                    return Missed(MeasuredState.EMPTY, "the query answers no row, or NULL")
                return Taken(numbers)
            return _gauge(self._source.gauge, self._inspection.read_database(limit_ms))
        except PortFault as fault:
            return Missed(_STATES.get(fault.code, MeasuredState.INVALID), fault.why)

    def close(self) -> None:
        """See the port."""
        self._inspection.close()


def _gauge(gauge: DatabaseGauge, reading: DatabaseReading) -> Taken | Missed:
    if gauge is DatabaseGauge.CONNECTIONS:
        return Taken((_decimal(reading.connections_ppm, _PPM_PER_PERCENT),))
    if gauge is DatabaseGauge.LATENCY:
        return Taken((_decimal(reading.latency_us, _US_PER_MS),))
    if reading.replica_lag_ms is None:
        return Missed(MeasuredState.EMPTY, "the database has no replica that this role may see")
    return Taken((str(reading.replica_lag_ms),))


def _decimal(number: int, parts: int) -> str:
    whole, part = divmod(number, parts)
    return f"{whole}.{part:0{len(str(parts)) - 1}d}"


def open_query(source: SqlSource, around: Surroundings) -> DatabaseMetric:
    """See `ports.metrics.OpenSource`."""
    return DatabaseMetric(source, around)


def open_gauge(source: DatabaseSource, around: Surroundings) -> DatabaseMetric:
    """See `ports.metrics.OpenSource`."""
    return DatabaseMetric(source, around)
