"""The whole decision of one tick: every chapter judges, then the launch decides."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tminus.domain.launch.state import LaunchState
from tminus.domain.watch.alerting import Course
from tminus.domain.watch.answers import read_answers, read_health
from tminus.domain.watch.counts import Sample
from tminus.domain.watch.weighing import Weighing
from tminus.engine.decide.alarm import watch_over
from tminus.engine.decide.evidence import terms_now
from tminus.engine.decide.external import with_external
from tminus.engine.decide.launch.decide import decide
from tminus.engine.decide.launch.turn import Turn
from tminus.engine.decide.launch.work import SAMPLER
from tminus.engine.decide.step import Observation, Step
from tminus.engine.decide.watch import Answers, Evidence, judge


def decide_tick(
    state: LaunchState,
    observation: Observation,
    samples: Sequence[Sample],
    courses: Mapping[str, Course] | None = None,
    weighing: Weighing | None = None,
) -> Step:
    """What to do now, from a state, an observation and the samples of the router's counters.

    `courses` are those of the step before; without them every alert rule begins anew. `weighing` is the
    evidence so far; without it nothing has been weighed.
    """
    judged = with_judgement(state, observation, samples, weighing)
    return decide_judged(state, judged, samples, courses or {})


def decide_judged(
    state: LaunchState, observation: Observation, samples: Sequence[Sample], courses: Mapping[str, Course]
) -> Step:
    """The same from an observation that the watch has judged."""
    step = decide(state, observation)
    evidence = Evidence(samples, _answers(observation), observation.measurements, observation.judged.weighed)
    return watch_over(step, Turn(step.state, observation), evidence, courses)


def with_judgement(
    state: LaunchState,
    observation: Observation,
    samples: Sequence[Sample],
    weighing: Weighing | None = None,
) -> Observation:
    """The observation with what the watch makes of it."""
    sampler = observation.jobs.get(SAMPLER)
    health = read_health(sampler.progress if sampler is not None else None)
    answers, measurements = _answers(observation), observation.measurements
    judged = judge(state, samples, observation.now_ms, answers, health, measurements, weighing)
    terms = terms_now(state, observation, samples)
    return replace(observation, judged=with_external(state, replace(judged, terms=terms)))


def _answers(observation: Observation) -> Answers:
    sampler = observation.jobs.get(SAMPLER)
    return read_answers(sampler.progress if sampler is not None else None)
