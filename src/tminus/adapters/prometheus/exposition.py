"""Services, their counters and their launches in Prometheus's text format. Must not read anything.

Source: prometheus.io, exposition formats, text format 0.0.4.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.metric import MICRO
from tminus.domain.plan.plan import FULL_BP
from tminus.domain.report.alerts import alert_rows
from tminus.domain.watch import series
from tminus.domain.watch.answers import Answer
from tminus.domain.watch.counts import BUCKETS_MS, ClassCounts, Sample
from tminus.domain.watch.measurement import Measurement, Measurements

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ServiceView:
    """What is known of one service now.

    Attributes:
        service, environment: which.
        launch: id of its newest launch, empty without one.
        state: of that launch, None without one.
        sample: the router's counters, None where it does not answer.
        answers: the newest answer to each question; only fresh ones.
        measured: the newest measurement of each metric and version; only fresh ones that count.
        look_due_ms: when somebody has to have looked, None where nobody has to.
    """

    service: str
    environment: str
    launch: str = ""
    state: LaunchState | None = None
    sample: Sample | None = None
    answers: Mapping[str, Answer] = field(default_factory=dict)
    measured: Measurements = field(default_factory=dict)
    look_due_ms: int | None = None


def exposition(views: Iterable[ServiceView], now_ms: int) -> str:
    """Every series of every service; a page ends with a newline."""
    families = _Families()
    families.add(series.UP, "gauge", "tminus answers.", {}, 1)
    for view in views:
        own = {"service": view.service, "environment": view.environment}
        answers = int(view.sample is not None)
        families.add(series.ROUTER_UP, "gauge", "The service's router answers.", own, answers)
        for entry in view.sample.classes if view.sample is not None else ():
            _count(families, own, entry)
        for name, answer in view.answers.items():
            labels = {**own, "question": name}
            families.add(series.QUESTION_BAD, "gauge", "Bad cases of a question.", labels, answer.bad)
            families.add(series.QUESTION_CASES, "gauge", "All cases of a question.", labels, answer.total)
        for name, found in view.measured.items():
            for each in found:
                _measure(families, {**own, "metric": name, "arm": each.arm.value}, each)
        if view.state is not None:
            _launch(families, own, view, view.state, now_ms)
    return families.text()


def _count(families: "_Families", own: Labels, entry: ClassCounts) -> None:
    counts = entry.counts
    labels = {
        **own,
        "slot": entry.slot.value,
        "class": entry.route_class,
        "generation": str(entry.generation),
    }
    requests, failures = "Requests given to a slot.", "Requests that were answered with an error, or not."
    families.add(series.REQUESTS, "counter", requests, labels, counts.requests)
    families.add(series.FAILURES, "counter", failures, labels, counts.failures)
    edges = [series.edge_text(edge_ms) for edge_ms in BUCKETS_MS]
    for edge, within in zip([*edges, "+Inf"], [*counts.within, counts.answers], strict=True):
        families.sample(
            series.DURATION, "histogram", "Time of answers.", "_bucket", {**labels, "le": edge}, within
        )
    families.sample(series.DURATION, "histogram", "Time of answers.", "_count", labels, counts.answers)


def _measure(families: "_Families", labels: Labels, found: Measurement) -> None:
    if found.value_micro is not None:
        value = found.value_micro / MICRO
        families.add(series.METRIC_VALUE, "gauge", "A metric of the plan, in its unit.", labels, value)
    if found.bad is not None and found.total is not None:
        families.add(series.METRIC_BAD, "gauge", "Bad cases of a metric.", labels, found.bad)
        families.add(series.METRIC_CASES, "gauge", "All cases of a metric.", labels, found.total)


def _launch(families: "_Families", own: Labels, view: ServiceView, state: LaunchState, now_ms: int) -> None:
    info = {**own, "launch": view.launch, "version": state.plan.version, "phase": state.phase.value}
    families.add(series.LAUNCH, "gauge", "The newest launch, with its phase.", info, 1)
    families.add(series.HELD, "gauge", "The launch waits for somebody.", own, int(state.hold is not None))
    share = (FULL_BP if state.promoted else state.share_bp) / FULL_BP
    families.add(series.SHARE, "gauge", "Share of the traffic that the candidate should have.", own, share)
    families.add(series.LOOKS_MISSED, "gauge", "Looks missed in a row.", own, state.alarms.missed)
    if view.look_due_ms is not None:
        due_s = view.look_due_ms / 1000
        families.add(series.LOOK_DUE, "gauge", "When somebody has to have looked.", own, due_s)
    for row in alert_rows(state, now_ms):
        if row.fires:
            labels = {
                **own,
                "rule": row.rule,
                "subject": row.subject,
                "cause": row.cause,
                "severity": row.severity.value,
                "role": row.role,
                "silenced": str(row.until_ms is not None).lower(),
            }
            families.add(series.ALERT, "gauge", "An alert of tminus fires.", labels, 1)


class _Families:
    """Samples by family, for the format wants all of one family together."""

    def __init__(self) -> None:
        self._heads: dict[str, tuple[str, str]] = {}
        self._lines: dict[str, list[str]] = {}

    def add(self, name: str, kind: str, text: str, labels: Labels, value: float) -> None:
        self.sample(name, kind, text, "", labels, value)

    def sample(self, name: str, kind: str, text: str, suffix: str, labels: Labels, value: float) -> None:
        self._heads.setdefault(name, (kind, text))
        pairs = ",".join(f'{key}="{series.escaped(item)}"' for key, item in labels.items())
        braces = f"{{{pairs}}}" if pairs else ""
        self._lines.setdefault(name, []).append(f"{name}{suffix}{braces} {_number(value)}")

    def text(self) -> str:
        return "".join(f"{line}\n" for line in self._rows())

    def _rows(self) -> Iterator[str]:
        for name, (kind, text) in self._heads.items():
            yield f"# HELP {name} {text}"
            yield f"# TYPE {name} {kind}"
            yield from self._lines[name]


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
