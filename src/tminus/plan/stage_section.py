"""Stages of the watch in launch.yaml. Must not judge how they follow each other."""

from enum import StrEnum
from typing import Annotated

from tminus.plan.kinds import ClassName, Duration, OptionalDuration, Words, one_of
from tminus.plan.section import TMINUS, Section, given, usual


class AlertOn(StrEnum):
    """What a stage alerts on."""

    LIMITS = "limits"
    ANOMALIES = "anomalies"


class StageSection(Section):
    """A part of the watch, from the end of the one before: who is on duty, and how often somebody looks."""

    until: OptionalDuration = given(
        "when it ends, counted from the cutover; the end of the watch when not given", default=None
    )
    look: Duration = given("somebody looks, and a reading enters the log, this often", examples=["5m"])
    role: ClassName = given("who is on duty", examples=["team"])
    action: Words = given("what is done, in a sentence", default="")
    alert_on: Annotated[AlertOn, one_of(AlertOn)] = usual(
        AlertOn.LIMITS, TMINUS, "limits, or every anomaly as well"
    )
