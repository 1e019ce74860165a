"""What every probe must do: answer in its time whatever the other side does, and keep secrets to itself.

A harness says how its probe is pointed at an address; the suite puts a server of its own there that never
does what the probe hopes for.
"""

import dataclasses
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Protocol, Union, get_args, get_origin, get_type_hints

import pytest

from tminus.adapters.clock.system_clock import SystemClock
from tminus.domain.codec import from_json, to_json
from tminus.domain.plan.secret import SecretRef, SecretSource
from tminus.domain.plan.times import Millis
from tminus.domain.readiness.answer import EXCERPT_LIMIT, Answer
from tminus.domain.readiness.verdict import Outcome
from tminus.ports.fault import Refused
from tminus.ports.probes import Around, ProbeKind, Target
from tminus.testing.liars import Scene, lying

MARKER = "s3cret-marker-7f21"
"""Stands in every secret that the suite gives, and must stand in no answer."""

REFERENCE = SecretRef(SecretSource.ENV, "PROBE_SECRET")
"""What settings name where they name a secret."""

LIMIT_MS = 500
SLACK_S = 5.0  # of a busy machine, beyond a probe's limit

_SILENT = (Scene.DOWN, Scene.HANGS, Scene.DRIPS, Scene.CLOSES, Scene.GARBLES, Scene.FLOODS, Scene.TRUNCATES)
_UNKNOWN = Target()
_TYPES = (str, int, bool, Millis, SecretRef)


@dataclass(frozen=True, slots=True)
class Faced:
    """A probe that is pointed at an address.

    Attributes:
        settings: of its kind.
        target: what is about to be launched.
        secret: the value behind every reference; holds `MARKER`.
    """

    settings: Any
    target: Target = _UNKNOWN
    secret: str = MARKER


class Harness(Protocol):
    """What the suite needs of one kind of probe."""

    kind: ProbeKind

    allowed: Mapping[Scene, frozenset[Outcome]]
    """Outcomes of scenes in which this kind may answer something else than the suite expects."""

    def facing(self, host: str, port: int) -> Faced:
        """The probe, pointed at that address."""
        ...


def around(
    directory: Path, target: Target | None = None, secret: str = MARKER, *, missing: bool = False
) -> Around:
    """What a probe is given; `missing` is a home without that secret."""

    def value(ref: SecretRef) -> str:
        if missing:
            raise Refused("secret-missing", f"secret {ref.text()}: it is empty or not set")
        return secret

    return Around(
        target=target or Target(),
        secret=value,
        environment={"PATH": "/usr/bin:/bin"},
        repository=directory,
        scratch=directory,
        backups=directory,
        now_ms=SystemClock().now_ms,
    )


def expected(scene: Scene) -> frozenset[Outcome]:
    """What a probe may answer: nothing was learnt, or what was seen is wrong. Never that all is well."""
    if scene in _SILENT:
        return frozenset({Outcome.INCONCLUSIVE})
    return frozenset({Outcome.INCONCLUSIVE, Outcome.FAIL})


def check_answer(answer: Answer) -> None:
    """Returns where the answer is evidence that can be kept.

    Raises:
        AssertionError: it is not.
    """
    assert answer.why.strip(), "an answer says why"
    assert answer.source.strip(), "an answer says what was asked"
    assert len(answer.why) < EXCERPT_LIMIT, "a sentence is short"
    assert len(answer.excerpt) <= EXCERPT_LIMIT, "an excerpt is bounded"
    for name, number in answer.facts:
        assert type(number) is int, f"{name} is a whole number"
        assert abs(number) < 1 << 53, f"{name} can be written as JSON"
    assert MARKER not in repr(answer), "an answer quotes no secret"


class SettingsContract:
    """Subclass it, and give a fixture `harness`."""

    @pytest.fixture
    def harness(self) -> Harness:
        """The kind's harness."""
        raise NotImplementedError

    def test_every_key_is_explained(self, harness: Harness) -> None:
        """A plan's author reads the docstring."""
        told = harness.kind.settings.__doc__ or ""
        names = [field.name for field in dataclasses.fields(harness.kind.settings)]
        assert [name for name in names if not re.search(rf"^ +{name}: \S", told, re.MULTILINE)] == []

    def test_every_key_has_a_type_that_a_plan_can_hold(self, harness: Harness) -> None:
        """See `ports.probes.ProbeKind`."""
        hints = get_type_hints(harness.kind.settings)
        names = [field.name for field in dataclasses.fields(harness.kind.settings)]
        assert [name for name in names if not _fits(hints[name])] == []

    def test_settings_survive_their_way_through_json(self, harness: Harness) -> None:
        """A job is told its settings as JSON."""
        settings = harness.facing("127.0.0.1", 9).settings
        text = json.dumps(to_json(settings))
        assert from_json(harness.kind.settings, json.loads(text)) == settings
        assert MARKER not in text

    def test_settings_cannot_be_changed(self, harness: Harness) -> None:
        """They are values."""
        settings = harness.facing("127.0.0.1", 9).settings
        name = dataclasses.fields(settings)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(settings, name, getattr(settings, name))


class ProbeContract(SettingsContract):
    """Subclass it, and give a fixture `harness`."""

    @pytest.mark.parametrize("scene", list(Scene))
    def test_a_scene_becomes_an_answer_in_time(self, harness: Harness, scene: Scene, tmp_path: Path) -> None:
        """Whatever happens, there is an answer in time, no exception and no secret."""
        with left_threads() as left, lying(scene) as (host, port):
            faced = harness.facing(host, port)
            given = around(tmp_path, faced.target, faced.secret)
            began_ms = SystemClock().now_ms()
            answer = harness.kind.ask(faced.settings, given, LIMIT_MS)
            took_s = (SystemClock().now_ms() - began_ms) / 1000
        assert took_s < LIMIT_MS / 1000 + SLACK_S
        assert left() == [], "what could not come back in time ends soon after"
        check_answer(answer)
        assert answer.outcome in harness.allowed.get(scene, expected(scene)), answer

    def test_a_secret_that_is_missing_is_refused(self, harness: Harness, tmp_path: Path) -> None:
        """It can never answer then."""
        with lying(Scene.DOWN) as (host, port):
            faced = harness.facing(host, port)
            if not any(isinstance(each, SecretRef) for each in _values(faced.settings)):
                return
            with pytest.raises(Refused, match="secret-missing"):
                harness.kind.ask(faced.settings, around(tmp_path, faced.target, missing=True), LIMIT_MS)


@contextmanager
def left_threads() -> Iterator[Callable[[], list[str]]]:
    """Names of threads that were not there before, waited for."""
    before = set(threading.enumerate())
    clock = SystemClock()

    def left() -> list[str]:
        until_ms = clock.now_ms() + int(SLACK_S * 1000) + LIMIT_MS
        while clock.now_ms() < until_ms and _new(before):
            clock.wait_ms(20)
        return _new(before)

    yield left


def _new(before: set[threading.Thread]) -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread not in before]


def _values(settings: Any) -> list[Any]:  # noqa: ANN401 - any settings
    return [getattr(settings, field.name) for field in dataclasses.fields(settings)]


def _fits(hint: Any) -> bool:  # noqa: ANN401 - a type hint is not always a type
    if get_origin(hint) in (UnionType, Union):
        members = [each for each in get_args(hint) if each is not NoneType]
        return len(members) == 1 and _fits(members[0])
    if hint in _TYPES:
        return True
    if isinstance(hint, type) and issubclass(hint, str) and issubclass(hint, Enum):
        return True
    return hint in (tuple[str, ...], tuple[int, ...], tuple[tuple[str, str], ...])
