"""The simulated world's jobs: the port's contract, over the virtual clock."""

from collections import Counter
from collections.abc import Callable, Mapping

import pytest

from tminus.domain.canonical import Json
from tminus.domain.launch.reading import JobReading
from tminus.domain.problem import Problem, ProblemError
from tminus.ports.jobs import Jobs
from tminus.testing.contract.jobs import JobsContract, JobsHarness
from tminus.testing.world.clock import VirtualClock
from tminus.testing.world.fakes import NEVER_MS, FakeJobs, Manner, Vanished

LOOK_MS = 20
SETTLE_MS = 20_000

# The works of `tminus.testing.contract.job_works`, as the fake knows works: how long, how, with what end.
SOON = Manner(50)
MANNERS: Mapping[str, Manner] = {
    **dict.fromkeys(("echo", "fail", "crash", "count", "vanish"), SOON),
    "patient": Manner(NEVER_MS),
    "stubborn": Manner(NEVER_MS, listens=False),
}


class WorldJobsHarness(JobsHarness):
    """What runs stands in the world and not in a driver: each driver sees the same `FakeJobs`."""

    def __init__(self) -> None:
        self.clock = VirtualClock(0, lambda _: None)
        self.counted: Counter[str] = Counter()
        self._jobs = FakeJobs(
            self.clock.now_ms,
            self._answer,
            MANNERS,
            progress=lambda work: {"began": True} if work == "patient" else None,
        )

    def jobs(self) -> Jobs:
        return self._jobs

    def runs(self, key: str) -> int:
        return self.counted[key]

    def count_arguments(self, key: str) -> Json:
        return key

    def wait(self, jobs: Jobs, key: str, wanted: Callable[[JobReading], bool]) -> JobReading:
        ends_ms = self.clock.now_ms() + SETTLE_MS
        while True:
            reading = jobs.read_jobs([key])[key]
            if wanted(reading):
                return reading
            assert self.clock.now_ms() < ends_ms, f"still {reading}"
            self.clock.wait_ms(LOOK_MS)

    def _answer(self, work: str, arguments: Json) -> Json:
        if work == "fail":
            raise ProblemError(
                Problem("tank-empty", "the tank is empty", why="nobody filled it", fix="fill it")
            )
        if work == "crash":
            raise RuntimeError("hunter2")
        if work in {"count", "vanish"}:
            self.counted[str(arguments)] += 1
        if work == "vanish":
            raise Vanished
        return {"stopped": True} if work == "patient" else arguments


class TestWorldJobs(JobsContract):
    @pytest.fixture
    def harness(self) -> JobsHarness:
        return WorldJobsHarness()
