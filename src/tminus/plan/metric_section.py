"""`metrics` of launch.yaml: where named numbers come from. Must not ask any source."""

from typing import Annotated, Self

from pydantic import model_validator

from tminus.domain.plan.metric import MetricDefinition, MetricKind, ReportFormat, SystemGauge
from tminus.plan.kinds import (
    Edge,
    EnvName,
    HeaderName,
    HeaderValue,
    OptionalDuration,
    Pointer,
    Secret,
    Sql,
    StepLine,
    Words,
    one_of,
)
from tminus.plan.metric_kinds import Flag, Query, SourceUrl
from tminus.plan.scalar import complaint
from tminus.plan.section import TMINUS, Section, default_of, given, usual

SOURCES = ("prometheus", "http", "sql", "command", "system", "report", "person")
"""The kinds of sources, as keys of a metric."""


class HeadersSection(Section):
    """What a source that is asked over HTTP has in common."""

    headers: dict[HeaderName, HeaderValue] = given("headers to send, nothing secret", default={})
    secret_headers: dict[HeaderName, Secret] = given(
        "headers by reference: env:NAME, file:PATH or command:LINE", default={}
    )
    token: Secret | None = given(
        "sent as `Authorization: Bearer`, by reference: env:NAME, file:PATH or command:LINE", default=None
    )


class PrometheusSection(HeadersSection):
    """Instant queries to a Prometheus, or to what answers like one: `query`, or `bad` and `total`."""

    url: Edge = given("base URL", examples=["http://127.0.0.1:9090"])
    query: Query | None = given(
        "its single value; `{slot}` and `{version}` become those of each version",
        default=None,
        examples=['process_resident_memory_bytes{slot="{slot}"}'],
    )
    bad: Query | None = given("of a ratio: the bad cases", default=None)
    total: Query | None = given("of a ratio: all cases", default=None)

    @model_validator(mode="after")
    def _value_or_ratio(self) -> Self:
        _one_way(self.query, self.bad, self.total, "query")
        return self


class HttpSection(HeadersSection):
    """A JSON document and pointers (RFC 6901) into it: `value`, or `bad` and `total`."""

    url: SourceUrl = given(
        "address of the document; `{slot}` and `{version}` become those of each version",
        examples=["http://127.0.0.1:8080/stats"],
    )
    value: Pointer | None = given("its single value", default=None, examples=["/queue/length"])
    bad: Pointer | None = given("of a ratio: the bad cases", default=None)
    total: Pointer | None = given("of a ratio: all cases", default=None)
    at: Pointer | None = given("when the numbers were taken, in seconds or ms since the epoch", default=None)

    @model_validator(mode="after")
    def _value_or_ratio(self) -> Self:
        _one_way(self.value, self.bad, self.total, "value")
        return self


class CommandSourceSection(Section):
    """A command that prints `{"value": n}` or `{"bad": b, "total": t}`."""

    run: StepLine = given(
        "run in the artifact; `{slot}` and `{version}` become those of each version",
        examples=["bin/queue-length --json"],
    )
    env: dict[EnvName, Words] = given("environment variables, nothing secret", default={})
    secrets: dict[EnvName, Secret] = given(
        "environment variables by reference: env:NAME, file:PATH or command:LINE", default={}
    )


class ReportSection(HeadersSection):
    """A scanner's report as JSON: the number of critical findings in it. One of `file` and `url`."""

    form: Annotated[ReportFormat, one_of(ReportFormat)] = given(
        "sarif or cyclonedx, whose VEX analysis is heeded", alias="format"
    )
    file: Words | None = given("path of the report, relative to this file", default=None)
    url: SourceUrl | None = given("address of the report", default=None)

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.file is None) == (self.url is None):
            what = " has neither `file` nor `url`" if self.file is None else " has `file` and `url`"
            raise complaint("plan-bad-metric", what, "say once where the report is")
        return self


class MetricSection(Section):
    """A named number. Exactly one of `prometheus`, `http`, `sql`, `command`, `system`, `report`, `person`."""

    prometheus: PrometheusSection | None = given("queries to a Prometheus", default=None)
    http: HttpSection | None = given("a JSON document", default=None)
    sql: Sql | None = given(
        "a query to the service's database that answers one number, or two for bad and all cases",
        default=None,
    )
    command: CommandSourceSection | None = given("a command that prints JSON", default=None)
    system: Annotated[SystemGauge | None, one_of(SystemGauge)] = given(
        "this machine, in percent; `slot-memory` is that of a slot's processes, in MB", default=None
    )
    report: ReportSection | None = given("a scanner's report", default=None)
    person: Words | None = given(
        "what a person enters with `tminus note`", default=None, examples=["open support tickets"]
    )
    counted: Annotated[MetricKind | None, one_of(MetricKind)] = given(
        "ratio, gauge or count; ratio for `bad` and `total`, count for a report, else gauge when not given",
        default=None,
        alias="kind",
    )
    unit: Words | None = given("shown behind values, and written in limits", default=None, examples=["ms"])
    every: OptionalDuration = given(
        "how often it is measured; 1s for `system`, else 10s when not given", default=None
    )
    timeout: OptionalDuration = given(
        "a slower answer is no answer; 5s when not given, or `every`", default=None
    )
    oldest: OptionalDuration = given(
        "numbers older than this, by their source's own time, are stale; 1m when not given", default=None
    )
    cumulative: Flag = usual(
        default_of(MetricDefinition, "cumulative"),
        TMINUS,
        "the source counts since it began, so that differences count: yes or no",
    )
    dedupe: Words | None = given(
        "by what the source counts each case once, such as `payment id`", default=None
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given_sources = [name for name in SOURCES if getattr(self, name) is not None]
        if len(given_sources) != 1:
            what = " has no source" if not given_sources else f" has the sources {', '.join(given_sources)}"
            raise complaint("plan-bad-metric", what, f"give exactly one of {', '.join(SOURCES)}")
        return self


def _one_way(value: object, bad: object, total: object, key: str) -> None:
    if value is not None and bad is None and total is None:
        return
    if value is None and bad is not None and total is not None:
        return
    what = f" has neither `{key}` nor both `bad` and `total`"
    if value is not None:
        what = f" has `{key}` beside `bad` or `total`"
    raise complaint("plan-bad-metric", what, f"give `{key}` for one value, or `bad` and `total` for a ratio")
