"""What every source of metrics must do: answer in its time, and never fail for what the other side does.

A harness shows the source each `Scene`; what is made of its answer must have the scene's state, and a
sentence where it is no evidence.
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import pytest

from tminus.adapters.clock.system_clock import SystemClock
from tminus.domain.plan.metric import MetricDefinition
from tminus.domain.watch.measurement import MeasuredState, Measurement, measurement_of
from tminus.ports.metrics import Source

LIMIT_MS = 1_000
SLACK_S = 5.0  # of a busy machine, beyond a source's limit


class Scene(StrEnum):
    """What the other side does."""

    VALUE = "value"
    RATIO = "ratio"
    DOWN = "down"
    HANGS = "hangs"
    DRIPS = "drips"
    EMPTY = "empty"
    NAN = "nan"
    INFINITE = "infinite"
    NEGATIVE = "negative"
    SEVERAL = "several"
    MORE_BAD_THAN_ALL = "more-bad-than-all"
    NOT_A_NUMBER = "not-a-number"
    GARBLED = "garbled"
    WRONG_TYPE = "wrong-type"
    HUGE = "huge"
    DEEP = "deep"
    REDIRECTS = "redirects"
    FORBIDDEN = "forbidden"
    FAILS = "fails"
    STALE = "stale"
    AHEAD = "ahead"


_INVALID = (
    Scene.NAN,
    Scene.INFINITE,
    Scene.NEGATIVE,
    Scene.SEVERAL,
    Scene.MORE_BAD_THAN_ALL,
    Scene.NOT_A_NUMBER,
    Scene.GARBLED,
    Scene.WRONG_TYPE,
    Scene.HUGE,
    Scene.DEEP,
    Scene.REDIRECTS,
    Scene.FORBIDDEN,
    Scene.AHEAD,
)
STATES: dict[Scene, frozenset[MeasuredState]] = {
    Scene.VALUE: frozenset({MeasuredState.OK}),
    Scene.RATIO: frozenset({MeasuredState.OK}),
    Scene.DOWN: frozenset({MeasuredState.UNREACHABLE}),
    Scene.HANGS: frozenset({MeasuredState.SLOW}),
    Scene.DRIPS: frozenset({MeasuredState.SLOW}),
    Scene.EMPTY: frozenset({MeasuredState.EMPTY}),
    Scene.STALE: frozenset({MeasuredState.STALE}),
    # Some technologies can tell their own failure from a wrong question, others cannot.
    Scene.FAILS: frozenset({MeasuredState.UNREACHABLE, MeasuredState.INVALID}),
    **dict.fromkeys(_INVALID, frozenset({MeasuredState.INVALID})),
}
"""What each scene must come to."""

VALUE_MICRO = 12_500_000
BAD, TOTAL = 3, 400


@dataclass(frozen=True, slots=True)
class Stage:
    """A source that faces a scene, and the metric it is asked for."""

    source: Source
    metric: MetricDefinition


class Harness(Protocol):
    """What the suite needs of one kind of source."""

    scenes: frozenset[Scene]
    """Those that this kind can face."""

    def play(self, scene: Scene) -> AbstractContextManager[Stage]:
        """A source that faces the scene while the context lasts."""
        ...


@dataclass(slots=True)
class Asked:
    """One look at a source, and how long it took."""

    found: Measurement
    took_s: float = field(default=0.0)


def ask(stage: Stage, limit_ms: int = LIMIT_MS) -> Asked:
    """Reads once and measures the time."""
    clock = SystemClock()
    at_ms = clock.now_ms()
    found = stage.source.read(limit_ms)
    return Asked(measurement_of(stage.metric, found, at_ms), (clock.now_ms() - at_ms) / 1000)


class SourceContract:
    """Subclass it, and give a fixture `harness`."""

    @pytest.fixture
    def harness(self) -> Harness:
        """The source's harness."""
        raise NotImplementedError

    @pytest.mark.parametrize("scene", list(Scene))
    def test_a_scene_becomes_a_measurement_with_its_state(self, harness: Harness, scene: Scene) -> None:
        """Whatever happens, there is an answer in time and no exception."""
        if scene not in harness.scenes:
            pytest.skip(f"this source cannot face {scene.value}")
        with harness.play(scene) as stage:
            asked = ask(stage)
        assert asked.found.state in STATES[scene], asked.found
        assert asked.took_s < LIMIT_MS / 1000 + SLACK_S
        assert bool(asked.found.why) is not asked.found.counts
        numbers = (asked.found.value_micro, asked.found.bad, asked.found.total)
        expected = {Scene.VALUE: (VALUE_MICRO, None, None), Scene.RATIO: (None, BAD, TOTAL)}
        assert numbers == expected.get(scene, (None, None, None))

    def test_a_source_answers_again_after_it_failed(self, harness: Harness) -> None:
        """One failure is no end."""
        with harness.play(Scene.VALUE) as stage:
            first, second = ask(stage), ask(stage)
        assert (first.found.counts, second.found.counts) == (True, True)

    def test_closing_is_harmless_and_may_be_repeated(self, harness: Harness) -> None:
        """The next look opens what it needs."""
        with harness.play(Scene.VALUE) as stage:
            stage.source.close()
            stage.source.close()
            assert ask(stage).found.counts
