"""The work `measure`: every source at its own pace, bounded, and none stopped by another."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from tminus.adapters.measure.board import KEPT, KEPT_FIRST, Board
from tminus.adapters.measure.collect import collect
from tminus.domain.codec import to_json
from tminus.domain.plan.metric import MetricDefinition, PersonSource, SystemGauge, SystemSource
from tminus.domain.problem import ProblemError
from tminus.domain.watch.measurement import (
    Arm,
    MeasuredState,
    Measurement,
    Measurements,
    Missed,
    Taken,
    read_measurements,
)
from tminus.domain.watch.probe import Probe
from tminus.plugins import measure
from tminus.ports.fault import Refused
from tminus.ports.metrics import Source
from tminus.testing.memory_source import MemorySource

pytestmark = [pytest.mark.integration, pytest.mark.req("R10", "R22")]

LIMIT_S = 60.0
Answer = Callable[[], Taken | Missed]


def metric(name: str, every_ms: int = 20, limit_ms: int = 200) -> MetricDefinition:
    return MetricDefinition(name, SystemSource(SystemGauge.LOAD), every_ms=every_ms, limit_ms=limit_ms)


class Measuring:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.stop = threading.Event()
        self.result: Any = None

    def found(self) -> Measurements:
        try:
            return read_measurements(json.loads((self.directory / "progress.json").read_bytes()))
        except FileNotFoundError:
            return {}

    def wait(self, name: str, wanted: Callable[[Measurement], bool]) -> Measurement:
        ends_at = time.monotonic() + LIMIT_S
        while time.monotonic() < ends_at:
            if matching := [each for each in self.found().get(name, ()) if wanted(each)]:
                return matching[-1]
            time.sleep(0.02)
        raise AssertionError(f"not among {self.found().get(name, ())[-3:]}")


@contextmanager
def measuring(
    directory: Path, **sources: tuple[MetricDefinition, Callable[[], Source]]
) -> Iterator[Measuring]:
    run = Measuring(directory)
    probes = [(Probe(definition), opening) for definition, opening in sources.values()]

    def work() -> None:
        run.result = collect(probes, directory, run.stop)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield run
    finally:
        run.stop.set()
        thread.join(LIMIT_S)
    assert not thread.is_alive()


def told(answer: Answer) -> Callable[[], Source]:
    return lambda: MemorySource(answer)


def test_a_source_that_hangs_is_told_as_slow_and_delays_no_other(tmp_path: Path) -> None:
    let_go = threading.Event()

    def hang() -> Taken:
        let_go.wait(LIMIT_S)
        return Taken(("7",))

    sources = {
        "stuck": (metric("stuck", limit_ms=50), told(hang)),
        "quick": (metric("quick"), told(lambda: Taken(("1",)))),
    }
    with measuring(tmp_path, **sources) as run:
        slow = run.wait("stuck", lambda each: each.state is MeasuredState.SLOW)
        assert slow.why == "it has not answered within 50 ms"
        quick = run.wait("quick", lambda each: each.at_ms > slow.at_ms)
        assert quick.counts
        let_go.set()
        late = run.wait("stuck", lambda each: "after more than" in each.why)
        assert late.state is MeasuredState.SLOW
        assert run.wait("stuck", lambda each: each.counts).value_micro == 7_000_000


def test_a_source_that_crashes_or_cannot_be_opened_is_told_and_tried_again(tmp_path: Path) -> None:
    def crash() -> Taken:
        raise RuntimeError("hunter2")

    openings = iter(range(3))

    def open_late() -> Source:
        if next(openings, None) is not None:
            raise Refused("secret-missing", "env:TOKEN has no value")
        return MemorySource(lambda: Taken(("1",)))

    sources = {"bad": (metric("bad"), told(crash)), "shut": (metric("shut"), open_late)}
    with measuring(tmp_path, **sources) as run:
        bad = run.wait("bad", lambda _: True)
        assert (bad.state, bad.why) == (MeasuredState.INVALID, "its source failed: RuntimeError")
        shut = run.wait("shut", lambda each: not each.counts)
        assert (shut.state, shut.why) == (MeasuredState.INVALID, "env:TOKEN has no value")
        run.wait("shut", lambda each: each.counts)
    assert run.result["measured"]["bad"]["counted"] == 0
    assert run.result["measured"]["shut"]["counted"] > 0


def test_a_folder_that_takes_no_progress_does_not_end_it(tmp_path: Path) -> None:
    folder = tmp_path / "job"
    folder.mkdir()
    (folder / ".progress.json.tmp").mkdir()  # nothing can be written there
    with measuring(folder, load=(metric("load"), told(lambda: Taken(("1",))))) as run:
        (folder / ".progress.json.tmp").rmdir()
        assert run.wait("load", lambda each: each.counts).value_micro == 1_000_000


def test_the_newest_are_kept_and_the_first_as_a_baseline() -> None:
    board = Board([("m", Arm.WHOLE)])
    for number in range(KEPT + 100):
        board.add("m", Measurement(number, value_micro=number))
    found = read_measurements(board.body())["m"]
    assert [each.at_ms for each in found[:KEPT_FIRST]] == list(range(KEPT_FIRST))
    assert [each.at_ms for each in found[KEPT_FIRST:]] == list(range(100, KEPT + 100))


def test_what_a_source_only_repeats_counts_once() -> None:
    board = Board([("m", Arm.WHOLE)])
    for at_ms in (1_000, 2_000, 3_000):
        board.add("m", Measurement(at_ms, value_micro=5, sampled_ms=500))
    board.add("m", Measurement(4_000, value_micro=5, sampled_ms=600))
    assert [each.at_ms for each in read_measurements(board.body())["m"]] == [1_000, 4_000]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (None, "bad-arguments"),
        ({"probes": [{"metric": 3}], "directory": "/"}, "bad-arguments"),
        ({"probes": to_json((Probe(metric("a")), Probe(metric("a")))), "directory": "/"}, "bad-arguments"),
        (
            {
                "probes": to_json((Probe(MetricDefinition("p", PersonSource("tickets"))),)),
                "directory": "/",
            },
            "no-such-source",
        ),
    ],
)
def test_arguments_that_cannot_be_are_refused(arguments: object, code: str, tmp_path: Path) -> None:
    with pytest.raises(ProblemError) as refusal:
        measure(cast("Any", arguments), tmp_path, threading.Event())
    assert refusal.value.problems[0].code == code
