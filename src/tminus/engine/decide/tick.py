"""The whole decision of one tick: every chapter judges, then the launch decides."""

from collections.abc import Sequence
from dataclasses import replace

from tminus.domain.launch.state import LaunchState
from tminus.domain.watch.answers import read_answers
from tminus.domain.watch.counts import Sample
from tminus.engine.decide.launch.decide import decide
from tminus.engine.decide.launch.work import SAMPLER
from tminus.engine.decide.step import Observation, Step
from tminus.engine.decide.watch import judge


def decide_tick(state: LaunchState, observation: Observation, samples: Sequence[Sample]) -> Step:
    """What to do now, from a state, an observation and the samples of the router's counters."""
    return decide(state, with_judgement(state, observation, samples))


def with_judgement(state: LaunchState, observation: Observation, samples: Sequence[Sample]) -> Observation:
    """The observation with what the watch makes of it."""
    sampler = observation.jobs.get(SAMPLER)
    answers = read_answers(sampler.progress if sampler is not None else None)
    return replace(observation, judged=judge(state, samples, observation.now_ms, answers))
