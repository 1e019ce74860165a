"""What every implementation of `ports.jobs.Jobs` must do, whatever its jobs run in."""

import abc
import time
from collections.abc import Callable

import pytest

from tminus.domain.canonical import Json
from tminus.domain.launch.reading import JobPhase, JobReading
from tminus.ports.fault import Refused
from tminus.ports.jobs import Jobs, JobSpec

LONG_MS = 60_000
_LOOK_S = 0.02
_LIMIT_S = 20.0  # a job of the suite takes a fraction of a second on a busy machine


class JobsHarness(abc.ABC):
    """What the suite needs beside the port. The works are those of `tminus.testing.contract.job_works`."""

    @abc.abstractmethod
    def jobs(self) -> Jobs:
        """The jobs, as seen by a driver that has just been started: each call is another driver."""

    @abc.abstractmethod
    def runs(self, key: str) -> int:
        """How often the works `count` and `vanish` have begun for that key."""

    @abc.abstractmethod
    def count_arguments(self, key: str) -> Json:
        """Arguments with which `count` and `vanish` are counted for that key."""

    def wait(self, jobs: Jobs, key: str, wanted: Callable[[JobReading], bool]) -> JobReading:
        """Reads until the reading is as wanted; fails after some seconds."""
        ends_at = time.monotonic() + _LIMIT_S  # noqa: TID251 - the suite waits for real processes
        while True:
            reading = jobs.read_jobs([key])[key]
            if wanted(reading):
                return reading
            assert time.monotonic() < ends_at, f"still {reading}"  # noqa: TID251 - as above
            time.sleep(_LOOK_S)  # noqa: TID251 - as above: the pause between two looks, not a synchronisation


def _ended(reading: JobReading) -> bool:
    return reading.phase is not JobPhase.RUNNING


class JobsContract:
    """The suite. Subclass it and override the fixture `harness`."""

    @pytest.fixture
    def harness(self) -> JobsHarness:
        """What to run the suite on."""
        raise NotImplementedError

    def test_a_key_never_started_is_absent(self, harness: JobsHarness) -> None:
        """An absent key is no reading at all."""
        assert harness.jobs().read_jobs(["never"]) == {}

    def test_the_result_of_the_work_is_read_when_it_is_done(self, harness: JobsHarness) -> None:
        """A result arrives as it was returned."""
        jobs = harness.jobs()
        jobs.start_job(JobSpec("k", "echo", {"a": [1, "ü", None]}, LONG_MS))
        reading = harness.wait(jobs, "k", _ended)
        assert reading == JobReading("k", JobPhase.DONE, {"a": [1, "ü", None]})

    def test_any_text_is_a_key_and_keys_stay_apart(self, harness: JobsHarness) -> None:
        """A key cannot reach another job's state."""
        jobs = harness.jobs()
        keys = ["../k", "k", "k/1", "k 1", "ä", "k" * 500]
        for key in keys:
            jobs.start_job(JobSpec(key, "echo", key, LONG_MS))
        results = {key: harness.wait(jobs, key, _ended).result for key in keys}
        assert results == {key: key for key in keys}

    def test_an_unknown_work_is_refused_and_leaves_no_job(self, harness: JobsHarness) -> None:
        """A refusal has no effect."""
        jobs = harness.jobs()
        with pytest.raises(Refused) as refusal:
            jobs.start_job(JobSpec("k", "levitate", None, LONG_MS))
        assert (refusal.value.code, refusal.value.why) == ("no-such-work", "no work is named 'levitate'")
        assert jobs.read_jobs(["k"]) == {}

    def test_an_expected_failure_tells_its_code_and_why(self, harness: JobsHarness) -> None:
        """The operator reads what the work said."""
        jobs = harness.jobs()
        jobs.start_job(JobSpec("k", "fail", None, LONG_MS))
        reading = harness.wait(jobs, "k", _ended)
        why = "the tank is empty; nobody filled it; fill it"
        assert reading == JobReading("k", JobPhase.FAILED, None, "tank-empty", why)

    def test_a_crash_is_a_failure_that_quotes_nothing(self, harness: JobsHarness) -> None:
        """The text of a foreign exception may hold a secret."""
        jobs = harness.jobs()
        jobs.start_job(JobSpec("k", "crash", None, LONG_MS))
        reading = harness.wait(jobs, "k", _ended)
        assert (reading.phase, reading.code) == (JobPhase.FAILED, "work-crashed")
        assert "RuntimeError" in reading.why
        assert "hunter2" not in reading.why

    def test_the_same_key_is_the_same_job(self, harness: JobsHarness) -> None:
        """Starting twice, also by another driver, runs once."""
        spec = JobSpec("k", "count", harness.count_arguments("k"), LONG_MS)
        jobs = harness.jobs()
        jobs.start_job(spec)
        jobs.start_job(spec)
        harness.wait(jobs, "k", _ended)
        harness.jobs().start_job(spec)
        assert harness.jobs().read_jobs(["k"])["k"].phase is JobPhase.DONE
        assert harness.runs("k") == 1

    def test_a_failed_job_is_not_started_again(self, harness: JobsHarness) -> None:
        """A further attempt at failed work is another key, decided by the engine."""
        jobs = harness.jobs()
        jobs.start_job(JobSpec("k", "fail", None, LONG_MS))
        harness.wait(jobs, "k", _ended)
        jobs.start_job(JobSpec("k", "echo", 1, LONG_MS))
        assert jobs.read_jobs(["k"])["k"].phase is JobPhase.FAILED

    def test_another_driver_adopts_a_running_job(self, harness: JobsHarness) -> None:
        """A resumed driver sees, and ends, what another one started."""
        harness.jobs().start_job(JobSpec("k", "patient", None, LONG_MS))
        resumed = harness.jobs()
        assert resumed.read_jobs(["k"])["k"].phase is JobPhase.RUNNING
        # What is told to end before it has begun may have used up its grace by then.
        harness.wait(resumed, "k", lambda reading: reading.progress == {"began": True})
        resumed.stop_job("k")
        assert harness.wait(resumed, "k", _ended) == JobReading("k", JobPhase.DONE, {"stopped": True})

    def test_a_lost_job_is_read_as_lost_and_may_be_started_again(self, harness: JobsHarness) -> None:
        """Neither a process nor an outcome is LOST, and LOST is the one phase that starts anew."""
        spec = JobSpec("k", "vanish", harness.count_arguments("k"), LONG_MS)
        jobs = harness.jobs()
        jobs.start_job(spec)
        assert harness.wait(jobs, "k", _ended).phase is JobPhase.LOST
        harness.jobs().start_job(spec)
        assert harness.wait(jobs, "k", _ended).phase is JobPhase.LOST
        assert harness.runs("k") == 2  # noqa: PLR2004 - two attempts, counted

    def test_a_job_past_its_deadline_is_failed(self, harness: JobsHarness) -> None:
        """The deadline holds also for work that does not listen."""
        jobs = harness.jobs()
        jobs.start_job(JobSpec("k", "stubborn", None, 200))
        reading = harness.wait(jobs, "k", _ended)
        why = "not done within its deadline of 200 ms"
        assert reading == JobReading("k", JobPhase.FAILED, None, "job-deadline", why)

    def test_a_stubborn_job_is_killed_after_its_grace(self, harness: JobsHarness) -> None:
        """A wish to stop comes true."""
        jobs = harness.jobs()
        jobs.start_job(JobSpec("k", "stubborn", None, LONG_MS))
        jobs.stop_job("k")
        reading = harness.wait(jobs, "k", _ended)
        assert (reading.phase, reading.code) == (JobPhase.FAILED, "job-stopped")

    def test_stopping_is_harmless_for_a_job_that_ended_or_never_was(self, harness: JobsHarness) -> None:
        """Stopping is idempotent."""
        jobs = harness.jobs()
        jobs.stop_job("never")
        jobs.start_job(JobSpec("k", "echo", 1, LONG_MS))
        before = harness.wait(jobs, "k", _ended)
        jobs.stop_job("k")
        assert jobs.read_jobs(["k", "never"]) == {"k": before}
