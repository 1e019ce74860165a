"""Subprocess jobs: the port's contract, and what only processes can get wrong."""

import os
import select
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tminus.adapters.jobs.identity import boot_id, identity_of, kill_marked
from tminus.adapters.jobs.record import JobRecord, record_of
from tminus.adapters.jobs.subprocess_jobs import SubprocessJobs
from tminus.adapters.secrets.reference_secrets import ReferenceSecrets
from tminus.domain.canonical import Json
from tminus.domain.launch.reading import JobPhase, JobReading
from tminus.ports.fault import Refused
from tminus.ports.jobs import Jobs, JobSpec
from tminus.testing.contract.jobs import LONG_MS, JobsContract, JobsHarness

GRACE_MS = 1_500  # a machine that others use too may need some of it to hear of a wish to stop
ENDED_LIMIT_S = 10
NO_REFERENCE = "not a secret reference: write env:NAME, file:PATH or command:LINE, never the value"


class SubprocessHarness(JobsHarness):
    def __init__(self, directory: Path, works_module: str = "tminus.testing.contract.job_works") -> None:
        self.directory = directory
        self.root = directory / "jobs"
        self.works_module = works_module
        self.environment = dict(os.environ) | {"API_TOKEN": "hunter2"}

    def jobs(self) -> SubprocessJobs:
        return SubprocessJobs(
            self.root,
            self.environment,
            ReferenceSecrets(self.environment, self.directory),
            works_module=self.works_module,
            stop_grace_ms=GRACE_MS,
        )

    def runs(self, key: str) -> int:
        return len((self.directory / f"{key}.count").read_text(encoding="utf-8").splitlines())

    def count_arguments(self, key: str) -> Json:
        return {"path": str(self.directory / f"{key}.count")}

    def end(self, key: str, spec: JobSpec) -> JobReading:
        jobs = self.jobs()
        jobs.start_job(spec)
        return self.wait(jobs, key, ended)

    def close(self) -> None:
        for directory in self.root.glob("*/"):
            self.kill_runner(directory)

    def kill_runner(self, directory: Path) -> None:
        kill_marked(JobRecord(directory).mark)


def ended(reading: JobReading) -> bool:
    return reading.phase is not JobPhase.RUNNING


@pytest.fixture(name="harness")
def make_harness(tmp_path: Path) -> Iterator[SubprocessHarness]:
    harness = SubprocessHarness(tmp_path)
    yield harness
    harness.close()


class TestSubprocessJobs(JobsContract):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> Iterator[JobsHarness]:
        harness = SubprocessHarness(tmp_path)
        yield harness
        harness.close()


def pid_of(harness: SubprocessHarness, jobs: Jobs, key: str) -> int:
    record = record_of(harness.root, key)
    harness.wait(jobs, key, lambda _: record.has("pid.json"))
    identity = record.identity()
    assert identity is not None
    return identity.pid


def test_only_named_variables_reach_a_job(harness: SubprocessHarness) -> None:
    harness.environment |= {"AWS_SECRET_ACCESS_KEY": "hunter2", "TZ": "UTC"}
    reading = harness.end("k", JobSpec("k", "environment", None, LONG_MS))
    assert isinstance(reading.result, list)
    assert {"PATH", "TZ", "TMINUS_JOB"} <= set(map(str, reading.result))
    assert not {"AWS_SECRET_ACCESS_KEY", "API_TOKEN"} & set(map(str, reading.result))


def test_a_referenced_secret_reaches_the_job_and_no_file(harness: SubprocessHarness) -> None:
    arguments: Json = {"secrets": {"TOKEN": "env:API_TOKEN"}}
    reading = harness.end("k", JobSpec("k", "secret_length", arguments, LONG_MS))
    assert reading.result == len("hunter2")
    files = [path for path in harness.root.rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if b"hunter2" in path.read_bytes()] == []


@pytest.mark.parametrize(
    ("secrets", "code", "why"),
    [
        ({"TOKEN": "env:NOT_SET"}, "secret-missing", "secret env:NOT_SET: it is empty or not set"),
        ({"PATH": "env:API_TOKEN"}, "secret-reference", "job k: 'PATH' cannot name a secret"),
        (
            {"TOKEN": "hunter2"},
            "secret-reference",
            f"job k: secret TOKEN: {NO_REFERENCE}",
        ),
    ],
)
def test_a_secret_that_cannot_be_given_refuses_the_job(
    harness: SubprocessHarness, secrets: dict[str, Json], code: str, why: str
) -> None:
    with pytest.raises(Refused) as refusal:
        harness.jobs().start_job(JobSpec("k", "echo", {"secrets": secrets}, LONG_MS))
    assert (refusal.value.code, refusal.value.why) == (code, why)
    assert harness.jobs().read_jobs(["k"]) == {}


def test_nothing_that_a_job_started_outlives_it(harness: SubprocessHarness) -> None:
    reading = harness.end("k", JobSpec("k", "offspring", None, LONG_MS))
    assert isinstance(reading.result, int)
    harness.wait(harness.jobs(), "k", lambda _: identity_of(reading.result) is None)  # type: ignore[arg-type]  # asserted


def test_starting_a_lost_job_again_kills_what_is_left_of_it_first(harness: SubprocessHarness) -> None:
    jobs = harness.jobs()
    jobs.start_job(JobSpec("k", "offspring", "stay", LONG_MS))
    record = record_of(harness.root, "k")
    harness.wait(jobs, "k", lambda _: record.read("progress.json") is not None)
    child = (record.read("progress.json") or {})["pid"]
    assert isinstance(child, int)
    os.kill(pid_of(harness, jobs, "k"), signal.SIGKILL)
    lost = harness.wait(jobs, "k", ended)
    assert (lost.phase, lost.result) == (JobPhase.LOST, {"pid": child})
    assert identity_of(child) is not None
    harness.jobs().start_job(JobSpec("k", "echo", "again", LONG_MS))
    assert identity_of(child) is None
    assert harness.wait(jobs, "k", ended).result == "again"
    assert (record.read("spec.json") or {})["attempt"] == 2


def test_a_runner_that_hangs_is_killed_by_a_read_after_its_deadline(harness: SubprocessHarness) -> None:
    jobs = harness.jobs()
    jobs.start_job(JobSpec("k", "patient", None, 100))
    os.kill(pid_of(harness, jobs, "k"), signal.SIGSTOP)
    reading = harness.wait(harness.jobs(), "k", ended)
    assert (reading.phase, reading.code) == (JobPhase.FAILED, "job-deadline")


def test_a_job_whose_directory_was_removed_ends(harness: SubprocessHarness) -> None:
    jobs = harness.jobs()
    jobs.start_job(JobSpec("k", "patient", None, LONG_MS))
    process = os.pidfd_open(pid_of(harness, jobs, "k"))
    try:
        _remove(record_of(harness.root, "k").directory)
        assert select.select([process], [], [], ENDED_LIMIT_S)[0] == [process]
    finally:
        os.close(process)


def _remove(directory: Path) -> None:
    # The runner writes here meanwhile: a file may appear between the last one's end and the directory's.
    while directory.exists():
        shutil.rmtree(directory, ignore_errors=True)


def test_a_recycled_pid_is_not_taken_for_the_job(harness: SubprocessHarness) -> None:
    jobs = harness.jobs()
    jobs.start_job(JobSpec("k", "patient", None, LONG_MS))
    pid = pid_of(harness, jobs, "k")
    innocent = subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True
    )
    try:
        record_of(harness.root, "k").write(
            "pid.json", {"pid": innocent.pid, "start_ticks": 1, "boot_id": boot_id()}
        )
        os.kill(pid, signal.SIGSTOP)
        jobs.stop_job("k")
        assert harness.wait(jobs, "k", ended).code == "job-stopped"
        assert innocent.poll() is None
    finally:
        innocent.communicate(b"\n", timeout=10)


@pytest.mark.slow
def test_a_log_that_grows_too_long_is_cut_while_the_job_runs(harness: SubprocessHarness) -> None:
    harness.works_module = write_works(
        harness,
        """
        import sys, time
        def work(arguments, directory, stop):
            line = "x" * 1023 + "\\n"
            log = directory / "stdout.log"
            deadline = time.monotonic() + 60
            before = after = 0
            while before <= after and time.monotonic() < deadline:
                sys.stdout.write(line * 1024); sys.stdout.flush()
                before = after
                after = log.stat().st_size
                time.sleep(0.02)
            return [before, after]
        """,
    )
    reading = harness.end("k", JobSpec("k", "work", None, LONG_MS))
    assert isinstance(reading.result, list)
    before, after = reading.result
    assert isinstance(before, int)
    assert isinstance(after, int)
    assert before > after, "never cut"
    assert after < 2 * 1024 * 1024, "what is kept is the end, and what was written since"


@pytest.mark.parametrize(
    ("limit_bytes", "phase", "code"),
    [(100_000, JobPhase.FAILED, "outcome-unwritable"), (0, JobPhase.LOST, "job-lost")],
)
def test_a_result_that_finds_no_room_is_said_to_be_so(
    harness: SubprocessHarness, limit_bytes: int, phase: JobPhase, code: str
) -> None:
    harness.works_module = write_works(
        harness,
        f"""
        import resource
        def work(arguments, directory, stop):
            resource.setrlimit(resource.RLIMIT_FSIZE, ({limit_bytes}, {limit_bytes}))
            return "x" * 200_000
        """,
    )
    reading = harness.end("k", JobSpec("k", "work", None, LONG_MS))
    assert (reading.phase, reading.code) == (phase, code)


@pytest.mark.parametrize(
    ("expression", "code"),
    [
        ("1.5", "result-not-canonical"),
        ("object()", "result-not-canonical"),
        ("'x' * 2**20", "result-too-large"),
    ],
)
def test_a_result_that_no_journal_takes_fails_the_job(
    harness: SubprocessHarness, expression: str, code: str
) -> None:
    source = f"""
        def work(arguments, directory, stop):
            return {expression}
        """
    harness.works_module = write_works(harness, source)
    assert harness.end("k", JobSpec("k", "work", None, LONG_MS)).code == code


def test_a_full_disk_makes_starting_unavailable_and_leaves_no_job(harness: SubprocessHarness) -> None:
    # In a process of its own, because the limit stays for its life.
    program = """
        import os, resource, sys
        from pathlib import Path
        from tminus.adapters.jobs.subprocess_jobs import SubprocessJobs
        from tminus.adapters.secrets.reference_secrets import ReferenceSecrets
        from tminus.ports.fault import Unavailable
        from tminus.ports.jobs import JobSpec
        root = Path(sys.argv[1])
        jobs = SubprocessJobs(root, os.environ, ReferenceSecrets(os.environ, root),
                              works_module="tminus.testing.contract.job_works")
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
        try:
            jobs.start_job(JobSpec("k", "echo", 1, 1000))
        except Unavailable as fault:
            sys.stdout.write(fault.code + " " + str(len(jobs.read_jobs(["k"]))))
        """
    argv = [sys.executable, "-c", textwrap.dedent(program), str(harness.root)]
    done = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=30)
    assert done.stdout == "job-not-started 0"


def test_a_job_of_an_earlier_boot_is_lost(harness: SubprocessHarness) -> None:
    record = record_of(harness.root, "k")
    record.directory.mkdir(parents=True)
    spec: dict[str, Json] = {"attempt": 1, "started_ms": 0, "deadline_ms": 1, "key": "k"}
    record.write("spec.json", spec)
    record.write("pid.json", {"pid": os.getpid(), "start_ticks": 1, "boot_id": "earlier"})
    assert harness.jobs().read_jobs(["k"])["k"].phase is JobPhase.LOST


def write_works(harness: SubprocessHarness, source: str) -> str:
    """A module of works that parent and job can import; returns its name."""
    name = f"works_{harness.directory.name.replace('-', '_')}"
    body = textwrap.dedent(source) + "\nWORKS = {'work': work}\n"
    (harness.directory / f"{name}.py").write_text(body, encoding="utf-8")
    already = harness.environment.get("PYTHONPATH", "")
    harness.environment["PYTHONPATH"] = f"{harness.directory}:{already}".rstrip(":")
    sys.path.insert(0, str(harness.directory))
    try:
        __import__(name)
    finally:
        sys.path.remove(str(harness.directory))
    return name
