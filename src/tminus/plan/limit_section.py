"""Limits of launch.yaml, as triggers, alerts and targets, one metric each. Must not judge anything."""

from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import model_validator

from tminus.domain.plan.alert import ALERT_WINDOW_MS, AlertRule, Severity
from tminus.domain.plan.limit import Against, Consequence, Limit, Trigger
from tminus.domain.plan.times import MINUTE_MS
from tminus.plan.amount import AnswerTime, ErrorRate, Factor, OptionalAmount
from tminus.plan.kinds import (
    ClassName,
    Duration,
    OptionalDuration,
    Percentage,
    Requests,
    Words,
    one_of,
)
from tminus.plan.metric_kinds import MetricName
from tminus.plan.scalar import complaint
from tminus.plan.section import HANDBOOK, TMINUS, Section, default_of, given, usual

LASTING_MS = 2 * MINUTE_MS
"""How long a gauge must be beyond its limit where the plan does not say: long enough that a healthy one
seldom is, at one sample a second as at one in ten."""


class Reference(StrEnum):
    """What a factor is of."""

    STABLE = Against.STABLE.value
    BASELINE = Against.BASELINE.value


class LimitSection(Section):
    """A limit on what the router counts, on what a question counts, or on a metric of the plan.

    Exactly one of `error_rate`, `p95`, `question` and `metric`.
    """

    error_rate: ErrorRate = given("highest share of failed requests, in percent", default=None)
    p95: AnswerTime = given("highest answer time of the fastest 95 % of the requests", default=None)
    question: dict[ClassName, Percentage] | None = given(
        "one of the database's questions, and the highest share of bad cases",
        default=None,
        examples=[{"declined": "15 %"}],
    )
    metric: MetricName | None = given(
        "one of `metrics`, or `cpu`, `memory`, `disk free`, `load`, `database connections`, "
        "`database latency`, `vulnerability`",
        default=None,
    )
    above: OptionalAmount = given("for a metric: a value above this breaks the limit", default=None)
    below: OptionalAmount = given("for a metric: a value below this breaks the limit", default=None)
    lasting: OptionalDuration = given(
        "for a gauge: how long it must be beyond the limit; 2m when not given", default=None, alias="for"
    )
    against: Annotated[Reference | None, one_of(Reference)] = given(
        "for a factor: what it is of, stable at the same time or the baseline before traffic moved",
        default=None,
    )
    route_class: ClassName = usual(
        default_of(Limit, "route_class"),
        TMINUS,
        "a class of requests, or `all`; not for a question or metric",
        alias="class",
    )
    min_requests: Requests = usual(
        default_of(Limit, "min_requests"),
        TMINUS,
        "fewer requests in the window, or cases of a question or ratio, are inconclusive",
    )
    name: Words | None = given(
        "shown in the log; the metric and class, or the question, when not given", default=None
    )

    fires_late: ClassVar[bool] = False
    """`for` says when it fires, whatever it is about."""

    @model_validator(mode="after")
    def _one_metric(self) -> Self:
        count = sum(each is not None for each in (self.error_rate, self.p95, self.question, self.metric))
        if count != 1:
            what = " has no metric" if count == 0 else f" has {('two', 'three', 'four')[count - 2]} metrics"
            fix = (
                "give exactly one of `error_rate`, `p95`, `question` and `metric`; "
                "write a second limit for another"
            )
            raise complaint("plan-bad-limit", what, fix)
        return self

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        if self.question is None:
            return self
        if len(self.question) != 1:
            what = f" names {len(self.question) or 'no'} questions"
            raise complaint("plan-bad-limit", what, "write one limit for each question: {declined: 15 %}")
        own = {"route_class": "class", "over": "over"}
        for key in (own[name] for name in own if name in self.model_fields_set):
            what = f" has `question` and `{key}`, which the question's query decides by itself"
            raise complaint("plan-bad-limit", what, f"remove `{key}`, and write it into the query")
        return self

    @model_validator(mode="after")
    def _one_side(self) -> Self:
        if self.metric is None:
            own = {"above": self.above, "below": self.below, "for": self.lasting}
            for key, value in own.items():
                if value is not None and not (key == "for" and self.fires_late):
                    what = f" has `{key}`, which only a limit on a `metric` has"
                    raise complaint("plan-bad-limit", what, f"remove `{key}`, or name a `metric`")
            return self
        if (self.above is None) == (self.below is None):
            what = " has no value" if self.above is None else " has `above` and `below`"
            raise complaint("plan-bad-limit", what, "give one of the two: {metric: cpu, above: 80 %}")
        if "route_class" in self.model_fields_set:
            what = " has `metric` and `class`, but a metric's source decides what it measures"
            raise complaint("plan-bad-limit", what, "remove `class`, and name it in the source's query")
        return self

    @model_validator(mode="after")
    def _factor_of_something(self) -> Self:
        relative = any(
            isinstance(each, Factor) for each in (self.error_rate, self.p95, self.above, self.below)
        )
        if relative and self.against is None:
            what = " has a factor and does not say of what"
            raise complaint("plan-bad-limit", what, "add `against: stable` or `against: baseline`")
        if self.against is not None and not relative:
            what = " has `against`, but its value is no factor"
            raise complaint("plan-bad-limit", what, "write a factor, such as 1.5x, or remove `against`")
        return self


class TargetSection(LimitSection):
    """A limit that must hold, with evidence, before a launch counts as verified."""

    over: Duration = usual(MINUTE_MS, TMINUS, "window that is looked at; not for a question or gauge")


class AlertSection(LimitSection):
    """A limit that somebody is told about; it changes nothing else."""

    fires_late: ClassVar[bool] = True
    over: Duration = usual(ALERT_WINDOW_MS, TMINUS, "window that is looked at; not for a question or gauge")
    severity: Annotated[Severity, one_of(Severity)] = usual(
        Severity.WARNING, TMINUS, "how bad it is: critical, high, warning or info"
    )
    role: ClassName | None = given("who is told; on-call when critical, else team", default=None)
    lasting: OptionalDuration = given(
        "it fires after so long; at once when not given, for a gauge after 2m",
        default=None,
        alias="for",
    )
    resolve: Duration = usual(
        default_of(AlertRule, "resolve_ms"), TMINUS, "it is over after the limit was kept for so long"
    )
    missing: Duration = usual(
        default_of(AlertRule, "missing_ms"),
        TMINUS,
        "a reading that lacks for so long is an alarm of its own",
    )
    group: ClassName | None = given(
        "alerts of one group are told together; the role when not given", default=None
    )
    runbook: Words = given("address of what to do", default="", examples=["https://wiki.example/runbook"])
    action: Words = given("what to do, in a sentence", default="")


class TriggerSection(LimitSection):
    """A limit that acts at once when it is broken.

    Without `over` it is judged by evidence, continuously and with a bound on false alarms; see `judge`. With
    `over` it is a fixed rule over that window, and has no such bound.
    """

    over: OptionalDuration = given(
        "window that is looked at, for a fixed rule; not for a question or gauge",
        default=None,
        examples=["10s"],
    )
    then: Annotated[Consequence, one_of(Consequence)] = usual(
        default_of(Trigger, "consequence"), HANDBOOK, "what follows: rollback, hold or alert"
    )

    @model_validator(mode="after")
    def _fewest_in_a_window(self) -> Self:
        if (
            self.over is None
            and self.question is None
            and self.metric is None
            and "min_requests" in self.model_fields_set
        ):
            what = " has `min_requests` and no `over`, but evidence decides by itself when it is enough"
            raise complaint("plan-bad-limit", what, "remove `min_requests`, or add `over: 10s`")
        return self
