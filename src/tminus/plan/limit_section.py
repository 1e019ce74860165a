"""Limits of launch.yaml, as triggers and as targets, one metric each. Must not judge anything."""

from typing import Annotated, Self

from pydantic import model_validator

from tminus.domain.plan.alert import ALERT_WINDOW_MS, AlertRule, Severity
from tminus.domain.plan.limit import Consequence, Limit, Trigger
from tminus.domain.plan.times import MINUTE_MS
from tminus.plan.kinds import (
    ClassName,
    Duration,
    ErrorRate,
    OptionalDuration,
    Percentage,
    Requests,
    Words,
    one_of,
)
from tminus.plan.scalar import complaint
from tminus.plan.section import HANDBOOK, TMINUS, Section, default_of, given, usual


class LimitSection(Section):
    """A limit on what the router counts, or on what a question to the database counts.

    Exactly one of `error_rate`, `p95` and `question`.
    """

    error_rate: ErrorRate = given("highest share of failed requests, in percent", default=None)
    p95: OptionalDuration = given("highest answer time of the fastest 95 % of the requests", default=None)
    question: dict[ClassName, Percentage] | None = given(
        "one of the database's questions, and the highest share of bad cases",
        default=None,
        examples=[{"declined": "15 %"}],
    )
    route_class: ClassName = usual(
        default_of(Limit, "route_class"),
        TMINUS,
        "a class of requests, or `all`; not for a question",
        alias="class",
    )
    min_requests: Requests = usual(
        default_of(Limit, "min_requests"),
        TMINUS,
        "fewer requests in the window, or cases of a question, are inconclusive",
    )
    name: Words | None = given(
        "shown in the log; the metric and class, or the question, when not given", default=None
    )

    @model_validator(mode="after")
    def _one_metric(self) -> Self:
        count = sum(each is not None for each in (self.error_rate, self.p95, self.question))
        if count != 1:
            what = " has no metric" if count == 0 else f" has {('two', 'three')[count - 2]} metrics"
            fix = "give exactly one of `error_rate`, `p95` and `question`; write a second limit for another"
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


class TargetSection(LimitSection):
    """A limit that must hold, with evidence, before a launch counts as verified."""

    over: Duration = usual(MINUTE_MS, TMINUS, "window that is looked at; not for a question")


class AlertSection(LimitSection):
    """A limit that somebody is told about; it changes nothing else."""

    over: Duration = usual(ALERT_WINDOW_MS, TMINUS, "window that is looked at; not for a question")
    severity: Annotated[Severity, one_of(Severity)] = usual(
        Severity.WARNING, TMINUS, "how bad it is: critical, high, warning or info"
    )
    role: ClassName | None = given("who is told; on-call when critical, else team", default=None)
    length: OptionalDuration = given(
        "it fires after so long; at once when not given", default=None, alias="for"
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
    """A limit that acts at once when it is broken."""

    over: Duration = usual(
        default_of(Limit, "window_ms"), TMINUS, "window that is looked at; not for a question"
    )
    then: Annotated[Consequence, one_of(Consequence)] = usual(
        default_of(Trigger, "consequence"), HANDBOOK, "what follows: rollback, hold or alert"
    )
