"""Launches that are watched by metrics of their own: real sources, real jobs, a person at the keyboard."""

import itertools
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from tests.integration.liar import Liar, lying, says
from tests.integration.test_story_launch import RATE_PER_S, serves
from tminus.adapters.jobs.record import record_of
from tminus.domain.launch.phase import Phase
from tminus.domain.launch.state import LaunchState
from tminus.domain.watch.measurement import Arm, Measurements, read_measurements
from tminus.testing.stand import Stand

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.req("R9", "R10", "R22")]

LONG_BAKE = {"bake": {"for": "120s", "reading": "20s"}}
_versions = (f"5.0.{number}" for number in itertools.count(1))
RATES = [
    {"error_rate": "1 %", "over": "1s", "min_requests": 5},
    {"p95": "500ms", "over": "1s", "min_requests": 5},
]


@pytest.fixture
def liar() -> Iterator[Liar]:
    with lying(says({"declined": 0, "paid": 500})) as found:
        yield found


def payments(liar: Liar) -> dict[str, Any]:
    source = {"url": f"{liar.url}/{{slot}}/{{version}}", "bad": "/declined", "total": "/paid"}
    return {
        "metrics": {"declined payments": {"http": source, "every": "1s", "dedupe": "payment id"}},
        "triggers": [*RATES, {"metric": "declined payments", "above": "1 %"}],
    }


def measured(stand: Stand, launch: str) -> Measurements:
    record = record_of(stand.home.root / "jobs", f"{launch}/measure")
    return read_measurements(record.read("progress.json"))


def baking(stand: Stand, launch: str) -> None:
    stand.wait(lambda: stand.state(launch).phase is Phase.BAKING and stand.state(launch).confirmed, "bake")


@contextmanager
def started(stand: Stand, **plan: object) -> Iterator[tuple[str, str]]:
    version = next(_versions)
    stand.sample.release(version, {**LONG_BAKE, **plan})
    with stand.load(RATE_PER_S, run=version):
        stand.start_agent()
        yield version, stand.enter().launch


def test_declined_payments_on_the_candidate_roll_it_back(stand: Stand, liar: Liar) -> None:
    with started(stand, **payments(liar)) as (version, launch):
        baking(stand, launch)
        found = measured(stand, launch)["declined payments"]
        assert {each.arm for each in found} == {Arm.CANDIDATE, Arm.STABLE}
        assert all(each.deduplicated for each in found if each.counts)
        slot = stand.state(launch).candidate
        assert f"/{slot}/{version}" in liar.paths

        def decline(handler: BaseHTTPRequestHandler) -> None:
            declined = 40 if handler.path.startswith(f"/{slot}/") else 0
            says({"declined": declined, "paid": 500})(handler)

        liar.answer = decline
        state = stand.wait_end(launch)
        assert (state.outcome, state.phase_why) == (
            "rolled-back",
            "declined payments above 1 %: 40 of 500 (8 %), limit above 1 %",
        )
        serves(stand, state)


def test_a_source_that_is_down_neither_passes_nor_rolls_back(stand: Stand, liar: Liar) -> None:
    liar.answer = says({}, 500)
    with started(stand, **payments(liar), shift={"steps": [50, 100], "each": "500ms"}) as (_, launch):
        stand.wait(
            lambda: stand.state(launch).phase is Phase.CUTOVER and stand.state(launch).confirmed, "a shift"
        )
        stand.wait(lambda: len(measured(stand, launch).get("declined payments", ())) > 6, "some missed looks")
        assert stand.state(launch).phase is Phase.CUTOVER
        assert {each.state.value for each in measured(stand, launch)["declined payments"]} == {"unreachable"}
        liar.answer = says({"declined": 0, "paid": 500})
        baking(stand, launch)
        stand.post(launch, "rollback")
        assert stand.wait_end(launch).outcome == "rolled-back"


def test_measuring_that_was_killed_is_started_again_and_goes_on(stand: Stand, liar: Liar) -> None:
    with started(stand, **payments(liar)) as (_, launch):
        baking(stand, launch)
        identity = record_of(stand.home.root / "jobs", f"{launch}/measure").identity()
        assert identity is not None
        os.killpg(identity.pid, signal.SIGKILL)
        asked = len(liar.paths)

        def again() -> bool:
            now = record_of(stand.home.root / "jobs", f"{launch}/measure").identity()
            return now is not None and now != identity and len(liar.paths) > asked + 2

        stand.wait(again, "a new process that asks")
        assert stand.state(launch).phase is Phase.BAKING
        stand.post(launch, "rollback")
        stand.wait_end(launch)


@pytest.mark.req("R28")
def test_a_vulnerability_that_a_person_notes_rolls_back(stand: Stand) -> None:
    triggers = [*RATES, {"metric": "vulnerability", "above": "0", "name": "security vulnerability"}]
    with started(stand, triggers=triggers) as (_, launch):
        state = noted(stand, launch)
        assert (state.outcome, state.phase_why) == (
            "rolled-back",
            "security vulnerability: 1, limit above 0",
        )
        log = stand.run("log", launch).stdout
        assert "Noted by ann: vulnerability 1: CVE-2026-1234" in log


def noted(stand: Stand, launch: str) -> LaunchState:
    baking(stand, launch)
    wrong = stand.run("note", launch, "tickets", "3")
    assert (wrong.returncode, "not-a-persons-metric" in wrong.stderr) == (1, True)
    worse = stand.run("note", launch, "vulnerability", "a few")
    assert (worse.returncode, "bad-note" in worse.stderr) == (1, True)
    assert stand.state(launch).phase is Phase.BAKING
    answer = stand.run("note", launch, "vulnerability", "1", "--text", "CVE-2026-1234", "--by", "ann")
    assert (answer.returncode, answer.stdout.partition(":")[0]) == (0, "note"), answer.stderr
    return stand.wait_end(launch)


def test_the_machine_and_a_slots_memory_are_measured(stand: Stand) -> None:
    metrics = {
        "memory of a slot": {"system": "slot-memory"},
        "answers": {"command": {"run": ["sh", "-c", 'test -d . && echo "{\\"value\\": 42}"']}, "every": "1s"},
    }
    with started(stand, metrics=metrics) as (_, launch):
        baking(stand, launch)

        def all_told() -> bool:
            found = measured(stand, launch)
            names = ("memory of a slot", "answers", "cpu", "memory", "disk free")
            return all(any(each.counts for each in found.get(name, ())) for name in names)

        stand.wait(all_told, "measurements of everything")
        found = measured(stand, launch)
        sizes = {each.arm: each.value_micro or 0 for each in found["memory of a slot"] if each.counts}
        assert sizes.keys() == {Arm.CANDIDATE, Arm.STABLE}
        assert all(1_000_000 < size < 10_000_000_000 for size in sizes.values())
        assert {each.value_micro for each in found["answers"] if each.counts} == {42_000_000}
        stand.post(launch, "rollback")
        stand.wait_end(launch)
        stand.wait(lambda: "jobs.runner" not in " ".join(stand.processes().values()), "the end of all jobs")
