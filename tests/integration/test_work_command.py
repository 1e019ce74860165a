"""One-off commands, verified artifacts and the machine's room, as jobs."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from tests.integration.database import LONG_MS, marked, until
from tminus.adapters.git.artifact import content_of
from tminus.adapters.jobs.identity import kill_marked
from tminus.adapters.jobs.record import JobRecord, record_of
from tminus.adapters.jobs.subprocess_jobs import SubprocessJobs
from tminus.adapters.secrets.reference_secrets import ReferenceSecrets
from tminus.domain.canonical import Json
from tminus.domain.launch.reading import JobPhase, JobReading
from tminus.ports.jobs import JobSpec

pytestmark = pytest.mark.integration


class Bench:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        tree = directory / "artifacts" / "tree"
        tree.mkdir(parents=True)
        (tree / "hello.txt").write_text("hello\n", encoding="ascii")
        self.digest = content_of(tree).digest
        self.tree = tree.rename(tree.with_name(self.digest.removeprefix("sha256:")))
        environment = {
            **os.environ,
            "TOKEN_SOURCE": "hunter2",
            "URL_SOURCE": "redis://app:p%40ssword@cache/0",
        }
        self.jobs = SubprocessJobs(directory / "jobs", environment, ReferenceSecrets(environment, directory))

    def start(self, work: str, arguments: dict[str, Json]) -> None:
        body: dict[str, Json] = {
            "artifact": self.digest,
            "artifacts_directory": str(self.directory / "artifacts"),
            "secrets": {"TOKEN": "env:TOKEN_SOURCE", "CACHE": "env:URL_SOURCE"},
            "deadline_ms": LONG_MS,
        }
        self.jobs.start_job(JobSpec("k", work, {**body, **arguments}, LONG_MS))

    def run(self, work: str, arguments: dict[str, Json]) -> JobReading:
        self.start(work, arguments)
        until(lambda: self.jobs.read_jobs(["k"])["k"].phase is not JobPhase.RUNNING)
        return self.jobs.read_jobs(["k"])["k"]

    @property
    def record(self) -> JobRecord:
        return record_of(self.directory / "jobs", "k")

    def log(self) -> str:
        return (self.record.directory / "command.log").read_text(encoding="utf-8")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    kill_marked(bench.record.mark)


def test_a_command_runs_in_the_artifact_with_its_environment(bench: Bench) -> None:
    reading = bench.run(
        "command", {"command": ["sh", "-c", "cat hello.txt; echo $A"], "environment": {"A": "b"}}
    )
    assert reading.phase is JobPhase.DONE, reading.why
    assert isinstance(reading.result, dict)
    assert reading.result["passed"] is True
    assert bench.log() == "hello\nb\n"


def test_a_command_that_fails_tells_its_last_lines(bench: Bench) -> None:
    reading = bench.run("command", {"command": ["sh", "-c", "seq 1 50; exit 3"]})
    lines = "\n".join(str(number) for number in range(39, 51))
    fix = "run it by hand in the artifact, correct it, and tag a new version"
    assert (reading.code, reading.why) == ("command-failed", f"the command ended with 3; {lines}; {fix}")


def test_secrets_that_a_command_prints_reach_no_file(bench: Bench) -> None:
    script = (
        'echo "$TOKEN" "$CACHE" "${CACHE#redis://app:}"; printf p@; echo ssword; printf hun; echo ter2; false'
    )
    reading = bench.run("command", {"command": ["sh", "-c", script]})
    assert bench.log() == "[secret] [secret] [secret]@cache/0\n[secret]\n[secret]\n"
    assert reading.code == "command-failed"
    for secret in ("hunter2", "p@ssword", "p%40ssword"):
        assert secret not in reading.why
        files = [path for path in (bench.directory / "jobs").rglob("*") if path.is_file()]
        assert [path for path in files if secret.encode() in path.read_bytes()] == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"command": ["sleep", "600"], "deadline_ms": 200}, "command-deadline"),
        (
            {"command": ["sh", "-c", "trap '' TERM; sleep 600; sleep 600"], "deadline_ms": 200},
            "command-deadline",
        ),
        ({"command": ["no-such-program"]}, "command-failed"),
        ({"command": []}, "bad-arguments"),
        ({"command": ["true"], "artifact": "sha256:../.."}, "bad-arguments"),
        ({"command": ["true"], "artifact": "sha256:" + "0" * 64}, "artifact-missing"),
    ],
)
def test_a_command_that_cannot_end_well_fails_with_a_code(
    bench: Bench, arguments: dict[str, Json], code: str
) -> None:
    assert bench.run("command", arguments).code == code


def test_nothing_of_a_command_outlives_it(bench: Bench) -> None:
    reading = bench.run("command", {"command": ["sh", "-c", "setsid sleep 600 & sleep 600 & true"]})
    assert reading.phase is JobPhase.DONE
    assert marked(bench.record.mark) == []


def test_nothing_of_a_command_outlives_its_job(bench: Bench) -> None:
    bench.start("command", {"command": ["sh", "-c", "setsid sleep 600 & sleep 600 & echo on; wait"]})
    until((bench.record.directory / "command.log").exists)
    identity = bench.record.identity()
    assert identity is not None
    os.kill(identity.pid, signal.SIGKILL)
    until(lambda: marked(bench.record.mark) == [])
    assert bench.jobs.read_jobs(["k"])["k"].phase is JobPhase.LOST


def test_a_command_that_is_told_to_stop_stops(bench: Bench) -> None:
    bench.start("command", {"command": ["sh", "-c", "echo on; sleep 600"]})
    until((bench.record.directory / "command.log").exists)
    bench.jobs.stop_job("k")
    until(lambda: bench.jobs.read_jobs(["k"])["k"].phase is not JobPhase.RUNNING)
    assert bench.jobs.read_jobs(["k"])["k"].code == "command-stopped"


def test_an_artifact_that_is_as_built_is_verified(bench: Bench) -> None:
    assert bench.run("verify-artifact", {}).result == {"digest": bench.digest, "files": 1, "bytes": 6}


def test_an_artifact_with_one_more_file_is_changed(bench: Bench) -> None:
    (bench.tree / "more.txt").touch()
    assert bench.run("verify-artifact", {}).code == "artifact-changed"


@pytest.mark.parametrize("digest", ["md5:1", "", "sha256:" + "0" * 63 + "/"])
def test_what_is_no_digest_is_not_verified(bench: Bench, digest: str) -> None:
    assert bench.run("verify-artifact", {"artifact": digest}).code == "bad-arguments"


def test_room_is_enough_or_told_with_figures(bench: Bench) -> None:
    place = str(bench.directory)
    reading = bench.run("resources", {"directory": place, "disk_free_ppm": 0, "memory_free_ppm": 1_000_001})
    assert isinstance(reading.result, dict)
    assert reading.result["passed"] is False
    disk, memory = cast("list[Json]", reading.result["answers"])
    assert isinstance(disk, dict)
    assert isinstance(memory, dict)
    assert (disk["name"], disk["passed"], disk["why"]) == ("disk", True, "")
    assert (memory["name"], memory["passed"]) == ("memory", False)
    assert str(memory["why"]).startswith("memory: ")
    assert str(memory["why"]).endswith("wanted at least 100 %")


def test_a_file_system_that_is_not_there_has_no_room(bench: Bench) -> None:
    place = str(bench.directory / "nowhere")
    reading = bench.run("resources", {"directory": place, "disk_free_ppm": 0, "memory_free_ppm": 0})
    assert isinstance(reading.result, dict)
    disk, memory = cast("list[Json]", reading.result["answers"])
    assert isinstance(disk, dict)
    assert isinstance(memory, dict)
    why = f"the file system of {place} cannot be read: No such file or directory"
    assert (reading.result["passed"], disk["why"], memory["passed"]) == (False, why, True)


def test_a_full_disk_is_told_with_figures_though_memory_is_enough(bench: Bench) -> None:
    place = str(bench.directory)
    reading = bench.run("resources", {"directory": place, "disk_free_ppm": 1_000_001, "memory_free_ppm": 0})
    assert isinstance(reading.result, dict)
    disk, memory = cast("list[dict[str, Json]]", reading.result["answers"])
    assert (reading.result["passed"], disk["passed"], memory["passed"]) == (False, False, True)
    figures = r"[\d.]+ % free \([\d.]+ of [\d.]+ GB\), wanted at least 100 %"
    assert re.fullmatch(rf"the file system of {re.escape(place)}: {figures}", str(disk["why"]))


@pytest.mark.parametrize(
    "arguments", [{"memory_free_ppm": 0}, {"disk_free_ppm": "some", "memory_free_ppm": 0}]
)
def test_room_that_is_not_said_in_figures_is_refused(bench: Bench, arguments: dict[str, Json]) -> None:
    assert bench.run("resources", {"directory": str(bench.directory), **arguments}).code == "bad-arguments"
