"""The work `build-image` against a real engine and a real registry."""

import base64
import json
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest

from tests.dataplane.plane import free_port
from tests.docker.engine import DOCKERFILE, SMALL, Repository, Yard
from tminus.adapters.docker import record
from tminus.adapters.docker.build import build
from tminus.adapters.docker.credentials import LOGIN_VARIABLE
from tminus.adapters.docker.engine import Engine
from tminus.adapters.docker.works import pull_image, verify
from tminus.domain.canonical import Json
from tminus.domain.plan.image import Container, Image
from tminus.domain.problem import ProblemError
from tminus.testing import docker

pytestmark = [pytest.mark.slow, pytest.mark.integration, pytest.mark.req("R4"), pytest.mark.timeout(240)]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


@pytest.fixture
def name(yard: Yard, request: pytest.FixtureRequest) -> str:
    """A name in the registry that no other test pushes to."""
    return f"{yard.registry.host}/{request.node.name.lower().replace('_', '-')[:60].rstrip('-')}"


@pytest.fixture(scope="module")
def asking(yard: Yard) -> Iterator[docker.LocalRegistry]:
    """A registry that wants to know who asks."""
    with docker.LocalRegistry(yard.directory / "asking", asks=True) as found:
        yield found


def inspected(yard: Yard, reference: str) -> dict[str, Any]:
    with closing(Engine(yard.dockerd.url)) as engine:
        return cast("dict[str, Any]", engine.get(f"/images/{reference}/json"))


def problem_of(
    yard: Yard, repository: Repository, tmp_path: Path, tag: str, **more: object
) -> tuple[str, str]:
    """Code and whole text of what a build is refused with."""
    with pytest.raises(ProblemError) as refusal:
        yard.build(repository, tag, tmp_path / "job", **more)
    return refusal.value.problems[0].code, str(refusal.value)


def test_an_image_is_built_from_the_tags_tree_and_pushed_with_its_evidence(
    yard: Yard, repository: Repository, tmp_path: Path, name: str
) -> None:
    repository.write(".dockerignore", "secret-*\n!secret-not\n")
    repository.write("secret-1", "x")
    repository.write("secret-not", "x")
    repository.write("Dockerfile", DOCKERFILE + "COPY . /all\n")
    repository.write(
        "node_modules/@shop/left-pad/package.json", '{"name": "@shop/left-pad", "version": "1.3.0"}'
    )
    commit = repository.tag("v1.0.0")
    repository.write("never-committed", "x")
    arguments = yard.arguments(repository, "v1.0.0", commit, image=Image(name))
    (tmp_path / "job").mkdir()
    result = cast("Mapping[str, Any]", build(cast("Json", arguments), tmp_path / "job", threading.Event()))

    assert (result["built"], result["commit"], result["tag"]) == (True, commit, "v1.0.0")
    assert result["reference"] == f"{name}@{result['digest']}"
    assert result["smoke"] == "GET /healthz answered 200"
    base = f"http://{yard.registry.host}/v2/{name.partition('/')[2]}"
    accepted = "application/vnd.docker.distribution.manifest.v2+json"
    manifest = httpx2.get(f"{base}/manifests/v1.0.0", headers={"Accept": accepted})
    assert manifest.headers["Docker-Content-Digest"] == result["digest"]
    labels = inspected(yard, result["reference"])["Config"]["Labels"]
    assert labels["org.opencontainers.image.revision"] == commit
    assert labels["org.opencontainers.image.version"] == "1.0.0"
    assert labels["org.opencontainers.image.source"] == "repository"
    assert labels["tminus.launch"] == "hello-v1.0.0"
    assert files_in(yard, result["reference"], "/all") >= {"service.py", "secret-not"}
    assert not files_in(yard, result["reference"], "/all") & {"secret-1", "never-committed"}

    folder = record.folder_of(yard.artifacts, result["digest"])
    bill = json.loads((folder / record.SBOM).read_bytes())
    purls = [component["purl"] for component in bill["components"]]
    assert any(purl.startswith("pkg:deb/debian/python3-minimal@") for purl in purls)
    assert "pkg:npm/%40shop/left-pad@1.3.0" in purls
    told = json.loads((folder / record.PROVENANCE).read_bytes())
    assert told["subject"] == [{"name": name, "digest": {"sha256": result["digest"].removeprefix("sha256:")}}]
    materials = told["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert materials == [{"uri": "git+repository", "digest": {"gitCommit": commit}}]
    assert {key: result[key] for key in ("sbom", "provenance")} == {
        "sbom": record.digest_of_bytes((folder / record.SBOM).read_bytes()),
        "provenance": record.digest_of_bytes((folder / record.PROVENANCE).read_bytes()),
    }


def files_in(yard: Yard, reference: str, folder: str) -> set[str]:
    with closing(Engine(yard.dockerd.url)) as engine:
        made = engine.post("/containers/create", body={"Image": reference})["Id"]
        try:
            with engine.open("GET", f"/containers/{made}/archive", {"path": folder}) as answer:
                content = BytesIO(answer.read())
            with tarfile.open(fileobj=content) as tar:
                return {each.partition("/")[2] for each in tar.getnames()}
        finally:
            engine.delete(f"/containers/{made}", {"force": "1"})


def test_the_same_tag_with_the_same_content_is_taken_as_it_is(
    yard: Yard, repository: Repository, tmp_path: Path, name: str
) -> None:
    first = yard.build(repository, "v1.0.0", tmp_path / "job", image=Image(name))
    commit = repository.git("rev-parse", "HEAD")
    elsewhere = tmp_path / "another-home"
    arguments = yard.arguments(
        repository, "v1.0.0", commit, image=Image(name), artifacts_directory=str(elsewhere)
    )
    again = cast("Mapping[str, Any]", build(cast("Json", arguments), tmp_path / "job", threading.Event()))
    assert (again["built"], again["digest"]) == (False, first["digest"])
    assert record.read_record(record.folder_of(elsewhere, first["digest"])).commit == commit


def test_a_pushed_tag_is_never_overwritten(
    yard: Yard, repository: Repository, tmp_path: Path, name: str
) -> None:
    first = yard.build(repository, "v1.0.0", tmp_path / "job", image=Image(name))
    repository.write("service.py", "print('other')\n")
    code, text = problem_of(yard, repository, tmp_path, "v1.0.0", image=Image(name))
    assert code == "image-tag-taken"
    assert f"it was built from {first['commit']}" in text
    assert pull(yard, first["digest"]) == [{"engine": yard.dockerd.url, "pulled": False}]


def pull(yard: Yard, digest: str) -> list[dict[str, Any]]:
    arguments: Json = {
        "artifact": digest,
        "artifacts_directory": str(yard.artifacts),
        "machines": [],
        "engine": yard.dockerd.url,
    }
    told = cast("Mapping[str, Any]", pull_image(arguments, Path(), threading.Event()))
    return [{name: each[name] for name in ("engine", "pulled")} for each in told["machines"]]


def verified(yard: Yard, digest: str) -> Mapping[str, Any]:
    arguments: Json = {"artifact": digest, "artifacts_directory": str(yard.artifacts)}
    return cast("Mapping[str, Any]", verify(arguments, Path(), threading.Event()))


def test_what_was_pushed_is_verified_again_and_missed_when_it_is_gone(
    yard: Yard, repository: Repository, tmp_path: Path, name: str
) -> None:
    built = yard.build(repository, "v1.0.0", tmp_path / "job", image=Image(name))
    assert verified(yard, built["digest"])["reference"] == built["reference"]
    with closing(Engine(yard.dockerd.url)) as engine:
        engine.delete(f"/images/{name}:v1.0.0")
        engine.delete(f"/images/{built['reference']}")
    assert pull(yard, built["digest"]) == [{"engine": yard.dockerd.url, "pulled": True}]
    base = f"http://{yard.registry.host}/v2/{name.partition('/')[2]}"
    assert httpx2.delete(f"{base}/manifests/{built['digest']}").status_code == 202
    with pytest.raises(ProblemError) as refusal:
        verified(yard, built["digest"])
    assert refusal.value.problems[0].code == "image-gone"


def test_evidence_that_was_changed_is_noticed(
    yard: Yard, repository: Repository, tmp_path: Path, name: str
) -> None:
    built = yard.build(repository, "v1.0.0", tmp_path / "job", image=Image(name))
    path = record.folder_of(yard.artifacts, built["digest"]) / record.SBOM
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"python3", b"python4", 1))
    with pytest.raises(ProblemError) as refusal:
        verified(yard, built["digest"])
    assert refusal.value.problems[0].code == "artifact-changed"


def test_a_step_that_fails_is_told_with_its_last_lines_and_nothing_is_pushed(
    yard: Yard, repository: Repository, tmp_path: Path, name: str
) -> None:
    repository.write("Dockerfile", DOCKERFILE + "RUN echo so far && cat /no-such-file\n")
    code, text = problem_of(yard, repository, tmp_path, "v1.0.0", image=Image(name))
    assert code == "image-build-failed"
    assert "so far" in text
    assert "/no-such-file: No such file" in text
    base = f"http://{yard.registry.host}/v2/{name.partition('/')[2]}"
    assert httpx2.get(f"{base}/manifests/v1.0.0").status_code == 404


def test_an_image_that_does_not_serve_is_not_pushed(
    yard: Yard, repository: Repository, tmp_path: Path, name: str
) -> None:
    repository.write("service.py", "raise SystemExit('no luck')\n")
    code, text = problem_of(yard, repository, tmp_path, "v1.0.0", image=Image(name))
    assert (code, "no luck" in text) == ("image-smoke-failed", True)
    command = Image(name, smoke=("python3", "-c", "raise SystemExit(7)"))
    code, text = problem_of(yard, repository, tmp_path, "v1.0.0", image=command)
    assert (code, "`build.docker.smoke` ended with 7" in text) == ("image-smoke-failed", True)
    base = f"http://{yard.registry.host}/v2/{name.partition('/')[2]}"
    assert httpx2.get(f"{base}/manifests/v1.0.0").status_code == 404
    with closing(Engine(yard.dockerd.url)) as engine:
        left = engine.get("/containers/json", {"all": "1", "filters": {"label": ["tminus.once"]}})
    assert left == []


def test_a_wrong_port_is_told_before_anything_is_pushed(
    yard: Yard, repository: Repository, tmp_path: Path, name: str
) -> None:
    wrong = Container(8001, SMALL.memory_bytes)
    code, text = problem_of(yard, repository, tmp_path, "v1.0.0", image=Image(name), container=wrong)
    assert code == "image-port"
    assert "the image exposes 8000, and `run.docker.port` is 8001" in text
    repository.write("Dockerfile", DOCKERFILE.replace("EXPOSE 8000\n", "ENV PORT=8000\n"))
    repository.write("service.py", "import time\ntime.sleep(1000)\n")
    code, text = problem_of(
        yard, repository, tmp_path, "v1.0.1", image=Image(name), container=wrong, boot_ms=1_000
    )
    assert code == "image-smoke-failed"
    assert "GET /healthz on port 8001 did not answer 200 within 1000 ms" in text


def test_a_folder_or_dockerfile_that_the_tag_does_not_have_is_told(
    yard: Yard, repository: Repository, tmp_path: Path, name: str
) -> None:
    for image in (Image(name, context="no/such"), Image(name, file="Missing")):
        code, _ = problem_of(yard, repository, tmp_path, "v1.0.0", image=image)
        assert code == "context-missing"


def test_a_tag_that_moved_is_not_built(yard: Yard, repository: Repository, tmp_path: Path, name: str) -> None:
    planned = repository.tag("v1.0.0")
    repository.tag("v1.0.0")
    arguments = yard.arguments(repository, "v1.0.0", planned, image=Image(name))
    with pytest.raises(ProblemError) as refusal:
        build(cast("Json", arguments), tmp_path, threading.Event())
    assert refusal.value.problems[0].code == "tag-moved"


def test_a_tag_that_is_missing_is_made_where_that_was_planned(
    yard: Yard, repository: Repository, tmp_path: Path, name: str
) -> None:
    commit = repository.tag("v0.9.0")
    arguments = yard.arguments(repository, "v1.0.0", commit, image=Image(name), make_tag="hello 1.0.0")
    made = cast("Mapping[str, Any]", build(cast("Json", arguments), tmp_path, threading.Event()))
    assert (made["tagged"], made["commit"]) == (True, commit)
    assert repository.git("cat-file", "-t", "v1.0.0") == "tag"
    assert "launch hello-v1.0.0" in repository.git("for-each-ref", "--format=%(contents)", "refs/tags/v1.0.0")


def test_a_registry_that_asks_is_told_who_by_a_secret_or_by_dockers_own_configuration(
    yard: Yard,
    repository: Repository,
    tmp_path: Path,
    asking: docker.LocalRegistry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image = Image(f"{asking.host}/hello")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "none"))
    code, text = problem_of(yard, repository, tmp_path, "v1.0.0", image=image)
    assert (code, f"docker login {asking.host}" in text) == ("registry-refused", True)
    monkeypatch.setenv(LOGIN_VARIABLE, f"{docker.USER}:wrong-password")
    code, text = problem_of(yard, repository, tmp_path, "v1.0.0", image=image)
    assert (code, "wrong-password" in text) == ("registry-refused", False)
    monkeypatch.setenv(LOGIN_VARIABLE, f"{docker.USER}:{docker.PASSWORD}")
    built = yard.build(repository, "v1.0.0", tmp_path / "job", image=image)
    assert built["built"] is True
    monkeypatch.delenv(LOGIN_VARIABLE)
    (tmp_path / "config").mkdir()
    auth = base64.b64encode(f"{docker.USER}:{docker.PASSWORD}".encode()).decode()
    config = json.dumps({"auths": {asking.host: {"auth": auth}}})
    (tmp_path / "config" / "config.json").write_text(config, encoding="ascii")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "config"))
    assert verified(yard, built["digest"])["digest"] == built["digest"]
    written = [path.read_bytes() for path in (tmp_path / "job").rglob("*") if path.is_file()]
    assert not any(docker.PASSWORD.encode() in content for content in written)


def test_an_engine_or_registry_that_is_down_is_named(
    yard: Yard, repository: Repository, tmp_path: Path, name: str
) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    code, text = problem_of(yard, repository, tmp_path, "v1.0.0", image=Image(f"{nobody}/hello"))
    assert (code, nobody in text) == ("registry-unreachable", True)
    code, text = problem_of(
        yard, repository, tmp_path, "v1.0.0", image=Image(name), engine=f"unix://{tmp_path}/none.sock"
    )
    assert (code, f"{tmp_path}/none.sock" in text) == ("engine-unreachable", True)


def test_a_build_that_is_told_to_stop_ends_at_once(
    yard: Yard, repository: Repository, tmp_path: Path, name: str
) -> None:
    repository.write("Dockerfile", DOCKERFILE + "RUN sleep 100\n")
    commit = repository.tag("v1.0.0")
    arguments = yard.arguments(repository, "v1.0.0", commit, image=Image(name))
    stop = threading.Event()
    threading.Timer(2, stop.set).start()
    with pytest.raises(ProblemError) as refusal:
        build(cast("Json", arguments), tmp_path, stop)
    assert refusal.value.problems[0].code == "build-stopped"
