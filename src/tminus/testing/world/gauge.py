"""A metric of the simulated service: a queue that is fine, or too long from the beginning."""

from tminus.domain.canonical import Json
from tminus.domain.plan.limit import Limit, Metric
from tminus.domain.plan.metric import CommandSource, MetricDefinition
from tminus.domain.watch.measurement import Measurement, to_row

TOO_LONG_MICRO = 100_000_000
QUEUE = MetricDefinition("queue", CommandSource(("queue",)), every_ms=500, limit_ms=500)
QUEUE_LIMIT = Limit("queue", Metric.MEASURED, TOO_LONG_MICRO, window_ms=2_000, measured=QUEUE.name)


def queue_measured(now_ms: int, *, hot: bool) -> Json:
    """Progress of a job that has measured for four seconds and more."""
    value = 2 * TOO_LONG_MICRO if hot else TOO_LONG_MICRO // 2
    times = range(now_ms - 4_000, now_ms + 1, QUEUE.every_ms)
    return {"metrics": {QUEUE.name: [to_row(Measurement(at_ms, value_micro=value)) for at_ms in times]}}
