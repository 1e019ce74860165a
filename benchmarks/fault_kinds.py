"""The scenarios of the fault benchmark: when the launch is struck, by what, and what clients may notice."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from full_disk import empty, fill

from tminus.adapters.http.load_spec import LoadFailure, LoadResult
from tminus.domain.launch.phase import TERMINAL, Phase
from tminus.domain.launch.slot import Slot
from tminus.testing.stand import Stand

LOSSLESS_MS = 25.0  # after all green were killed, only what was in flight may fail
LEASE_MS = 1_100.0
ROUTER_BACK_MS = 300.0
HANG_MS = 700.0
ALL_ERRORS_MS = 100.0
ALL_ERRORS_FAILED = 150
SOME_ERRORS_MS = 500.0
SLOW_MS = 1_500.0
FULL_DISK_S = 3.0
LONG_BAKE: Mapping[str, Any] = {"bake": {"for": "4s", "reading": "1s"}}
LONG_STEPS: Mapping[str, Any] = {"shift": {"each": "2s"}}
Agent = subprocess.Popen[bytes]


@dataclass(frozen=True)
class Measured:
    """What one launch looked like from outside. Times are milliseconds after the fault."""

    outcome: str
    why: str
    load: LoadResult
    duplicates: int
    fault_us: int
    candidate: str

    @property
    def left_ms(self) -> float | None:
        """When the last request that green answered was begun."""
        served = self.load.slots.get(self.candidate)
        return None if served is None else (served.last_started_us - self.fault_us) / 1_000

    @cached_property
    def bad(self) -> list[LoadFailure]:
        """Requests that were not served, by when they began."""
        return sorted(self.load.failures, key=lambda failure: failure.started_us)

    @property
    def last_bad_ms(self) -> float | None:
        """When the last of them was begun."""
        return (self.bad[-1].started_us - self.fault_us) / 1_000 if self.bad else None

    @property
    def refused(self) -> int:
        """Connections that nobody took."""
        return sum("refused" in failure.why for failure in self.bad)


_EITHER = ("promoted", "rolled-back")


class EndedBeforeError(Exception):
    """The launch had ended before it could be struck; why is in the text."""


Judge = Callable[[Measured], Iterator[str]]


@dataclass(frozen=True)
class Scenario:
    """One way to break something. `paced` rows are about outcomes, not about milliseconds."""

    name: str
    reach: Callable[[Stand, str], None]
    strike: Callable[[Stand, str, Agent], int]
    target: str
    judge: Judge
    outcomes: tuple[str, ...] = _EITHER
    repair: Callable[[Stand, str, Agent], None] = lambda stand, launch, agent: None
    plan: Mapping[str, Any] = field(default_factory=dict)
    paced: bool = False

    def misses(self, measured: Measured) -> Iterator[str]:
        """What is not as it should be."""
        if measured.outcome not in self.outcomes:
            yield f"ended {measured.outcome}, not {' or '.join(self.outcomes)}: {measured.why}"
        if measured.duplicates:
            yield f"{measured.duplicates} POSTs reached the service twice"
        yield from self.judge(measured)


# When.


def in_phase(phase: Phase, step: int | None = None) -> Callable[[Stand, str], None]:
    """Until the launch is in the phase, and its route, where it has one, was read back."""

    def reach(stand: Stand, launch: str) -> None:
        def there() -> bool:
            state = stand.state(launch)
            if state.phase in TERMINAL:
                raise EndedBeforeError(f"{state.outcome} before {phase}: {state.phase_why}")
            confirmed = state.confirmed or phase not in (Phase.CUTOVER, Phase.BAKING)
            return state.phase is phase and confirmed and step in (None, state.step)

        stand.wait(there, f"{phase} of {launch}")

    return reach


def slot_up(stand: Stand, launch: str) -> None:
    stand.wait(lambda: stand.state(launch).slot_up, "a candidate that is up")


def claimed(stand: Stand, launch: str) -> None:
    stand.wait(lambda: bool(stand.state(launch).commands), "a driver")


def taken_back(stand: Stand, launch: str) -> None:
    in_phase(Phase.BAKING)(stand, launch)
    stand.post(launch, "rollback")
    stand.wait_phase(launch, Phase.ROLLING_BACK)


# By what. Each returns the moment in microseconds since the epoch.


def kill_controller(stand: Stand, launch: str, agent: Agent) -> int:
    agent.kill()
    fault_us = _now_us()
    agent.wait()
    return fault_us


def restarted_after(delay_s: float) -> Callable[[Stand, str, Agent], None]:
    def repair(stand: Stand, launch: str, agent: Agent) -> None:
        time.sleep(delay_s)
        stand.start_agent()

    return repair


def kill_program(name: str) -> Callable[[Stand, str, Agent], int]:
    def strike(stand: Stand, launch: str, agent: Agent) -> int:
        pid = stand.pid(name)
        os.kill(pid, signal.SIGKILL)
        return _now_us()

    return strike


def signal_green(number: signal.Signals, count: int | None = None) -> Callable[[Stand, str, Agent], int]:
    def strike(stand: Stand, launch: str, agent: Agent) -> int:
        pids = list(stand.instances(_green(stand, launch)).values())[:count]
        for pid in pids:
            os.kill(pid, number)
        return _now_us()

    return strike


def ail(text: str) -> Callable[[Stand, str, Agent], int]:
    def strike(stand: Stand, launch: str, agent: Agent) -> int:
        switch = stand.sample.switch(stand.state(launch).plan.version)
        draft = switch.with_suffix(".new")
        draft.write_text(text, encoding="utf-8")
        fault_us = _now_us()
        draft.rename(switch)
        return fault_us

    return strike


def full_disk_then(what: Callable[[Stand, str, Agent], int]) -> Callable[[Stand, str, Agent], int]:
    def strike(stand: Stand, launch: str, agent: Agent) -> int:
        fill(stand.home.root / "journal", agent.pid)
        return what(stand, launch, agent)

    return strike


def order_rollback(stand: Stand, launch: str, agent: Agent) -> int:
    """As a person does it: the command's start is the moment."""
    argv = ["rollback", launch, "--reason", "ordered while the disk is full"]
    fault_us = _now_us()
    stand.run(*argv)
    return fault_us


def free_disk(stand: Stand, launch: str, agent: Agent) -> None:
    time.sleep(FULL_DISK_S)
    empty(stand.home.root / "journal", agent.pid)


# What clients may notice.


def nothing(measured: Measured) -> Iterator[str]:
    if measured.load.total.not_served:
        yield f"{measured.load.total.not_served} requests were not served"


def left_within(limit_ms: float, *, failed: int | None = 0, lost: int | None = 0) -> Judge:
    def judge(measured: Measured) -> Iterator[str]:
        total = measured.load.total
        left_ms = measured.left_ms
        if measured.outcome != "promoted" and left_ms is not None and left_ms > limit_ms:
            yield f"green was asked for {left_ms:.0f} ms"
        if failed is not None and total.failed > failed:
            yield f"{total.failed} requests failed"
        if lost is not None and total.lost + total.cut > lost:
            yield f"{total.lost} lost, {total.cut} cut"

    return judge


def none_bad_after(limit_ms: float, *, refused: bool = True) -> Judge:
    def judge(measured: Measured) -> Iterator[str]:
        last_ms = measured.last_bad_ms
        if last_ms is not None and last_ms > limit_ms:
            yield f"a request begun {last_ms:.0f} ms after the fault was not served"
        if not refused and measured.refused:
            yield f"{measured.refused} connections were refused"

    return judge


def none_stuck_after(limit_ms: float) -> Judge:
    """For what hangs: the last request that got no answer shows when new ones went to stable."""

    def judge(measured: Measured) -> Iterator[str]:
        last_ms = measured.last_bad_ms
        if last_ms is not None and last_ms > limit_ms:
            yield f"a request begun {last_ms:.0f} ms after green hung still went there"

    return judge


def _green(stand: Stand, launch: str) -> Slot:
    return stand.state(launch).candidate


def _now_us() -> int:
    return time.time_ns() // 1_000


_PHASES: tuple[tuple[str, Callable[[Stand, str], None], Judge, str], ...] = (
    ("countdown", claimed, nothing, "0 not served"),
    ("staging", in_phase(Phase.STAGING), nothing, "0 not served"),
    ("cutover at 10 %", in_phase(Phase.CUTOVER, 0), left_within(LEASE_MS), "left < 1.1 s, 0 not served"),
    ("cutover at 50 %", in_phase(Phase.CUTOVER, 1), left_within(LEASE_MS), "left < 1.1 s, 0 not served"),
    ("cutover at 100 %", in_phase(Phase.CUTOVER, 2), left_within(LEASE_MS), "left < 1.1 s, 0 not served"),
    ("verifying", in_phase(Phase.VERIFYING), left_within(LEASE_MS), "left < 1.1 s, 0 not served"),
    ("baking", in_phase(Phase.BAKING), nothing, "promoted, 0 not served"),
    ("promoting", in_phase(Phase.PROMOTING), nothing, "0 not served"),
    ("watching", in_phase(Phase.WATCHING), nothing, "promoted, 0 not served"),
    ("rolling back", taken_back, nothing, "rolled back, 0 not served"),
)
_OUTCOMES = {"baking": ("promoted",), "watching": ("promoted",), "rolling back": ("rolled-back",)}

CONTROLLER = tuple(
    Scenario(
        f"controller killed, {name}, back after {delay_s:g} s",
        reach,
        kill_controller,
        target,
        judge,
        _OUTCOMES.get(name, _EITHER),
        restarted_after(delay_s),
        paced=True,
    )
    for name, reach, judge, target in _PHASES
    for delay_s in (0.2, 5.0)
)

ROUTER = tuple(
    Scenario(
        f"router killed, {name}",
        reach,
        kill_program("router"),
        "0 refused, bad < 300 ms",
        none_bad_after(ROUTER_BACK_MS, refused=False),
        plan=plan,
    )
    for name, reach, plan in (
        ("cutover at 50 %", in_phase(Phase.CUTOVER, 1), LONG_STEPS),
        ("baking", in_phase(Phase.BAKING), LONG_BAKE),
    )
)

SUPERVISOR = (
    Scenario(
        "supervisor killed, cutover at 50 %",
        in_phase(Phase.CUTOVER, 1),
        kill_program("supervisor"),
        "0 not served",
        nothing,
        plan=LONG_STEPS,
    ),
)

INSTANCES = tuple(
    Scenario(
        f"{'all' if count is None else 'one'} of green killed, {name}",
        reach,
        signal_green(signal.SIGKILL, count),
        target,
        judge,
        outcomes,
        plan=plan,
    )
    for name, reach, plan, judge, target, outcomes in (
        # Before traffic has moved there is nothing to roll back: the smoke suite may meet the dead instance.
        ("before cutover", slot_up, {}, nothing, "0 not served", ("promoted", "scrubbed")),
        (
            "cutover at 50 %",
            in_phase(Phase.CUTOVER, 1),
            LONG_STEPS,
            none_bad_after(LOSSLESS_MS),
            "bad < 25 ms",
            _EITHER,
        ),
        ("baking", in_phase(Phase.BAKING), LONG_BAKE, none_bad_after(LOSSLESS_MS), "bad < 25 ms", _EITHER),
    )
    for count in (1, None)
)

_BACK = ("rolled-back",)
AILING = (
    Scenario(
        "all of green stopped (SIGSTOP), baking",
        in_phase(Phase.BAKING),
        signal_green(signal.SIGSTOP),
        "new on stable < 700 ms",
        none_stuck_after(HANG_MS),
        _BACK,
        plan=LONG_BAKE,
    ),
    Scenario(
        "100 % of green's answers are 500, baking",
        in_phase(Phase.BAKING),
        ail("errors=100"),
        "left < 100 ms, < 150 failed",
        left_within(ALL_ERRORS_MS, failed=ALL_ERRORS_FAILED - 1),
        _BACK,
        plan=LONG_BAKE,
    ),
    Scenario(
        "20 % of green's answers are 500, baking",
        in_phase(Phase.BAKING),
        ail("errors=20"),
        "left < 500 ms",
        left_within(SOME_ERRORS_MS, failed=None),
        _BACK,
        plan=LONG_BAKE,
    ),
    Scenario(
        "green answers 800 ms later, baking",
        in_phase(Phase.BAKING),
        ail("delay_ms=800"),
        "left < 1.5 s, 0 not served",
        left_within(SLOW_MS),
        _BACK,
        plan=LONG_BAKE,
    ),
)

FULL = (
    Scenario(
        "journal's disk full, then 100 % are 500, baking",
        in_phase(Phase.BAKING),
        full_disk_then(ail("errors=100")),
        "left < 100 ms, < 150 failed",
        left_within(ALL_ERRORS_MS, failed=ALL_ERRORS_FAILED - 1),
        _BACK,
        free_disk,
        plan=LONG_BAKE,
    ),
    Scenario(
        "journal's disk full, then `tminus rollback`, baking",
        in_phase(Phase.BAKING),
        full_disk_then(order_rollback),
        "left < 2 s, 0 not served",
        left_within(2_000.0),
        _BACK,
        free_disk,
        plan={"bake": {"for": "30s", "reading": "1s"}},
    ),
)
DISK = frozenset(scenario.name for scenario in FULL)

SCENARIOS: tuple[Scenario, ...] = (*CONTROLLER, *ROUTER, *SUPERVISOR, *INSTANCES, *AILING, *FULL)
