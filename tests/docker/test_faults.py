"""What breaks around containers: engine, registry, disk. Each is told, and nothing else breaks."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.docker.engine import DOCKERFILE, Repository, Yard
from tests.docker.test_runtime import DockerHarness
from tminus.adapters.docker.engine import Engine
from tminus.adapters.docker.works import pull_image, verify
from tminus.domain.canonical import Json
from tminus.domain.launch.slot import Slot
from tminus.domain.plan.image import Image
from tminus.domain.problem import ProblemError
from tminus.ports.fault import Unavailable
from tminus.testing import docker

pytestmark = [
    pytest.mark.slow,
    pytest.mark.integration,
    pytest.mark.req("R4", "R6"),
    pytest.mark.timeout(240),
]


@pytest.fixture
def local(tmp_path: Path, yard: Yard, digests: dict[int, str]) -> Iterator[DockerHarness]:
    harness = DockerHarness(tmp_path, yard, digests)
    yield harness
    harness.close()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[docker.Dockerd]:
    """An engine whose disk holds the base image and little more."""
    data = tmp_path / "data"
    data.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", str(data)], check=True, timeout=10)
    try:
        with docker.Dockerd(tmp_path / "e", data=data) as found:
            docker.load_base(found.url)
            yield found
    finally:
        subprocess.run(["umount", "--lazy", str(data)], check=True, timeout=10)


def test_a_full_disk_is_told_in_the_engines_words(small: docker.Dockerd, yard: Yard, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository")
    repository.write("Dockerfile", DOCKERFILE + "RUN head -c 300000000 /dev/zero > /large\n")
    image = Image(f"{yard.registry.host}/too-large")
    with pytest.raises(ProblemError) as refusal:
        yard.build(repository, "v1.0.0", tmp_path / "job", engine=small.url, image=image)
    assert refusal.value.problems[0].code == "image-build-failed"
    assert "No space left on device" in str(refusal.value)


def test_a_registry_that_is_gone_stops_what_needs_it_and_nothing_else(
    local: DockerHarness, yard: Yard, tmp_path: Path
) -> None:
    local.runtime().start_slot(Slot.BLUE, local.spec(1))
    repository = Repository(tmp_path / "repository")
    with docker.LocalRegistry(tmp_path / "registry") as registry:
        image = Image(f"{registry.host}/hello", smoke=("true",))
        built = yard.build(repository, "v1.0.0", tmp_path / "job", image=image)
    with closing(Engine(yard.dockerd.url)) as engine:
        for reference in (f"{image.repository}:v1.0.0", built["reference"]):
            engine.delete(f"/images/{reference}", {"force": "1"})
    arguments: Json = {
        "artifact": built["digest"],
        "artifacts_directory": str(yard.artifacts),
        "machines": [],
        "engine": yard.dockerd.url,
    }
    for work, code in ((pull_image, "image-not-pulled"), (verify, "registry-unreachable")):
        with pytest.raises(ProblemError) as refusal:
            work(arguments, tmp_path, threading.Event())
        assert refusal.value.problems[0].code == code
        assert registry.host in str(refusal.value)
    local.settle(lambda: local.runtime().read_slots()[Slot.BLUE].up)


def test_containers_run_again_after_their_engine_was_killed(local: DockerHarness, yard: Yard) -> None:
    """Whoever drives is told that nothing is known meanwhile."""
    local.runtime().start_slot(Slot.BLUE, local.spec(1))
    local.settle(lambda: local.runtime().read_slots()[Slot.BLUE].up)
    addresses = local.runtime().addresses(2)[Slot.BLUE]
    yard.dockerd.kill()
    try:
        with pytest.raises(Unavailable) as fault:
            local.runtime().read_slots()
        assert fault.value.code == "engine-unreachable"
        assert yard.dockerd.url in fault.value.why
    finally:
        yard.dockerd.start()
    local.settle(lambda: local.runtime().read_slots()[Slot.BLUE].up)
    assert local.runtime().addresses(2)[Slot.BLUE] == addresses
