"""The work `build-image`: a tag's tree becomes an image in a registry, once. Must not touch a work tree."""

import contextlib
import fcntl
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from tminus.adapters.docker import record
from tminus.adapters.docker.credentials import build_header, engine_header, find_credentials
from tminus.adapters.docker.engine import Engine, EngineError
from tminus.adapters.docker.evidence import Origin, instant, provenance, sbom
from tminus.adapters.docker.packages import Found, read_packages
from tminus.adapters.docker.pulling import pull
from tminus.adapters.docker.record import ImageRecord
from tminus.adapters.docker.registry import Manifest, Registry
from tminus.adapters.docker.smoke import Smoke, smoke
from tminus.adapters.docker.source import Source
from tminus.domain.canonical import Json, digest_of
from tminus.domain.codec import from_json
from tminus.domain.plan.image import Container, Image
from tminus.domain.problem import Problem, ProblemError
from tminus.ports.fault import PortFault

KEY = "tminus.build"
"""Label that says what was built and how, so that the same tag with the same content is recognised."""

_LOOK_S = 0.1
_SILENT_LIMIT_S = 1_200.0  # of a step of a build that prints nothing; the job's deadline comes before it
_TAIL = 12  # lines of the build's own output: enough to see what failed


@dataclass(frozen=True, slots=True)
class _Order:
    """Arguments of the work, see `build`."""

    source: Source
    image: Image
    version: str
    engine: str
    artifacts: Path
    smoke: Smoke
    job: str

    @property
    def key(self) -> str:
        """Names what is built: the same commit built in the same way is the same content."""
        image = self.image
        return digest_of(
            {
                "commit": self.source.commit,
                "file": image.file,
                "context": image.context,
                "target": image.target,
                "arguments": dict(image.arguments),
            }
        )


def build(arguments: Json, directory: Path, stop: threading.Event) -> Json:
    """Builds the image of a commit, tries it alone, and pushes it; or finds the one pushed before.

    The context is what `git archive` makes of the commit. What the build prints goes to `build.log`. Bill of
    materials and provenance stand beside the image's record, in ARTIFACTS/HEX-DIGEST.

    Args:
        arguments: `repository` (path), `tag`, `commit`, `version`, `image` (`domain.plan.image.Image`),
            `container` (`domain.plan.image.Container`), `command`, `environment`, `health`, `boot_ms` of an
            instance, `artifacts_directory`, `engine`, optionally `secrets` (with TMINUS_REGISTRY_LOGIN),
            `make_tag` (first line of an annotated tag that is made where there is none, with `launch` in its
            last).
        directory: of the job.
        stop: ends it.

    Returns:
        `{"digest", "reference", "image", "commit", "tag", "tagged", "built", "bytes", "sbom", "provenance",
        "smoke"}`: digests of the manifest in the registry, of the configuration, and of the evidence.

    Raises:
        ProblemError: `image-tag-taken`, `image-build-failed`, `image-smoke-failed`, `image-port`,
            `image-push-refused`, `image-changed`, `build-stopped`, `registry-refused`,
            `registry-unreachable`, `engine-unreachable`, `tag-missing`, `tag-moved`, `context-missing`,
            `git-unavailable`, `artifacts-unwritable`.
    """
    order = _order(cast("Mapping[str, Any]", arguments), directory)
    started_ms = _now_ms()
    try:
        tagged = order.source.check_tag()
        order.artifacts.mkdir(parents=True, exist_ok=True)
        with _alone(order, stop), closing(Engine(order.engine)) as engine:
            return {**_Building(order, engine, directory, stop).result(started_ms), "tagged": tagged}
    except PortFault as fault:
        if stop.is_set():
            raise ProblemError(Problem("build-stopped", "the build was told to stop")) from fault
        raise ProblemError(Problem(fault.code, fault.why, order.image.repository)) from fault
    except OSError as error:
        what = f"the image's record could not be written: {error.strerror or error}"
        fix = "make room there and give the agent's user the right to write, then build again"
        raise ProblemError(Problem("artifacts-unwritable", what, str(order.artifacts), fix=fix)) from error


class _Building:
    """One build, against one engine and one registry."""

    def __init__(self, order: _Order, engine: Engine, directory: Path, stop: threading.Event) -> None:
        self._order = order
        self._engine = engine
        self._directory = directory
        self._stop = stop
        self._host = order.image.repository.partition("/")[0]
        self._credentials = find_credentials(self._host, os.environ)
        self._local = f"{order.image.repository}:{order.source.tag}"

    def result(self, started_ms: int) -> dict[str, Json]:
        order = self._order
        with Registry(order.image.repository, self._credentials) as registry:
            pushed = registry.manifest(order.source.tag)
            built = pushed is None
            if pushed is None:
                image = self._build()
                tried = smoke(self._engine, image, order.smoke, self._stop)
                self._push()
                pushed = registry.manifest(order.source.tag)
            else:
                self._refuse_other(registry, pushed)
                image, tried = pushed.config_digest, "when it was built"
        if pushed is None or pushed.config_digest.removeprefix("sha256:") != image.removeprefix("sha256:"):
            what = f"{self._local} is not what was pushed"
            fix = "somebody else pushes under this tag: find out who, and launch another version"
            raise ProblemError(Problem("image-changed", what, order.image.repository, fix=fix))
        kept = self._keep(pushed, started_ms)
        return {
            "digest": pushed.digest,
            "reference": kept.reference,
            "image": pushed.config_digest,
            "commit": order.source.commit,
            "tag": order.source.tag,
            "built": built,
            "bytes": sum(size for _, size in pushed.layers),
            "sbom": kept.evidence[record.SBOM],
            "provenance": kept.evidence[record.PROVENANCE],
            "smoke": tried,
        }

    def _refuse_other(self, registry: Registry, pushed: Manifest) -> None:
        content = registry.blob(pushed.config_digest) if pushed.config_digest else None
        labels: Mapping[str, Any] = {}
        if content is not None:
            with contextlib.suppress(ValueError, AttributeError):
                labels = json.loads(content)["config"].get("Labels") or {}
        if labels.get(KEY) == self._order.key:
            return
        revision = labels.get("org.opencontainers.image.revision", "an unknown commit")
        problem = Problem(
            "image-tag-taken",
            f"{self._local} is in the registry already, with other content",
            self._order.image.repository,
            why=f"it was built from {revision}, and a tag that was pushed is never overwritten",
            fix="launch another version, or remove that tag from the registry if nobody runs it",
        )
        raise ProblemError(problem)

    def _build(self) -> str:
        order, image = self._order, self._order.image
        context = self._directory / "context.tar"
        order.source.archive(image.context, image.file, context)
        query = {
            "t": self._local,
            "dockerfile": image.file,
            "target": image.target,
            "buildargs": dict(image.arguments),
            "labels": self._labels(),
            "rm": "1",
            "forcerm": "1",
        }
        headers = {"Content-Type": "application/x-tar", **self._build_header()}
        try:
            with context.open("rb") as body, (self._directory / "build.log").open("ab") as log:
                for message in self._engine.messages(
                    "/build", query, body, headers, limit_s=_SILENT_LIMIT_S, stop=self._stop
                ):
                    log.write(str(message.get("stream", "")).encode())
            found = self._engine.get(f"/images/{self._local}/json")
        except EngineError as error:
            end = [*_tail(self._directory / "build.log"), error.why]
            fix = "build the Dockerfile in a clean checkout of the tag, correct it, and tag a new version"
            what = f"{image.file} could not be built"
            where = f"{order.source.repository} at {order.source.tag}"
            raise ProblemError(Problem("image-build-failed", what, where, "\n".join(end), fix)) from error
        finally:
            context.unlink(missing_ok=True)
        self._check_port(found)
        return str(found["Id"])

    def _build_header(self) -> dict[str, str]:
        """Base images may come from the same registry, and need the same credentials."""
        return build_header(self._host, self._credentials)

    def _labels(self) -> dict[str, str]:
        order = self._order
        return {
            "org.opencontainers.image.source": order.source.url(),
            "org.opencontainers.image.revision": order.source.commit,
            "org.opencontainers.image.version": order.version,
            "org.opencontainers.image.created": instant(_now_ms()),
            "tminus.launch": order.job.rpartition("/")[0],
            KEY: order.key,
        }

    def _check_port(self, found: Mapping[str, Any]) -> None:
        exposed = {name.partition("/")[0] for name in (found.get("Config") or {}).get("ExposedPorts") or {}}
        wanted = str(self._order.smoke.container.port)
        if exposed and wanted not in exposed:
            problem = Problem(
                "image-port",
                f"the image exposes {', '.join(sorted(exposed))}, and `run.docker.port` is {wanted}",
                self._order.image.file,
                why="what is sent to a port on which nobody listens reaches nobody",
                fix="correct `run.docker.port`, or EXPOSE in the Dockerfile",
            )
            raise ProblemError(problem)

    def _push(self) -> None:
        order = self._order
        header = engine_header(self._host, self._credentials)
        query = {"tag": order.source.tag}
        path = f"/images/{order.image.repository}/push"
        try:
            for _ in self._engine.messages(
                path, query, None, header, limit_s=_SILENT_LIMIT_S, stop=self._stop
            ):
                pass
        except EngineError as error:
            fix = f"may this user push there? `docker login {self._host}`, or `build.docker.login`"
            what = f"{self._local} could not be pushed"
            raise ProblemError(
                Problem("image-push-refused", what, order.image.repository, error.why, fix)
            ) from error

    def _keep(self, pushed: Manifest, started_ms: int) -> ImageRecord:
        order, image = self._order, self._order.image
        bare = ImageRecord(
            image.repository, pushed.digest, pushed.config_digest, order.source.tag, order.source.commit, {}
        )
        if record.folder_of(order.artifacts, pushed.digest).is_dir():
            return record.verify_record(order.artifacts, pushed.digest)
        pull(self._engine, bare, os.environ, self._stop)
        origin = Origin(
            repository=image.repository,
            digest=pushed.digest,
            source=order.source.url(),
            tag=order.source.tag,
            commit=order.source.commit,
            file=image.file,
            context=image.context,
            target=image.target,
            arguments=image.arguments,
            job=order.job,
            started_ms=started_ms,
            ended_ms=_now_ms(),
        )
        files = {
            record.MANIFEST: pushed.content,
            record.SBOM: sbom(origin, self._packages(bare.reference)),
            record.PROVENANCE: provenance(origin),
        }
        evidence = {name: record.digest_of_bytes(content) for name, content in files.items()}
        whole = ImageRecord(
            bare.repository, bare.digest, bare.image, bare.tag, bare.commit, dict(sorted(evidence.items()))
        )
        record.keep_record(order.artifacts, whole, files)
        return whole

    def _packages(self, reference: str) -> Found:
        labels = {"tminus.once": self._order.job}
        made = self._engine.post(
            "/containers/create", body={"Image": reference, "Cmd": ["-"], "Labels": labels}
        )
        try:
            path = f"/containers/{made['Id']}/export"
            with self._engine.open("GET", path, limit_s=_SILENT_LIMIT_S, stop=self._stop) as stream:
                return read_packages(stream)
        finally:
            self._engine.delete(f"/containers/{made['Id']}", {"force": "1", "v": "1"})


@contextlib.contextmanager
def _alone(order: _Order, stop: threading.Event) -> Iterator[None]:
    """One build of the same thing at a time; the second finds what the first has pushed."""
    name = digest_of({"repository": order.image.repository, "tag": order.source.tag})
    with (order.artifacts / f".lock-{name.removeprefix('sha256:')}").open("ab") as lock:
        while True:
            try:
                fcntl.flock(lock.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if stop.wait(_LOOK_S):
                    raise ProblemError(Problem("build-stopped", "the build was told to stop")) from None
        yield


def _order(body: Mapping[str, Any], directory: Path) -> _Order:
    container = from_json(Container, body["container"])
    job = f"{body.get('launch') or directory.name}/build"
    image = from_json(Image, body["image"])
    subject, launch = str(body.get("make_tag") or ""), str(body.get("launch") or "")
    message = f"{subject}\n\nTagged by tminus for the launch {launch}.\n" if subject else ""
    return _Order(
        source=Source(Path(body["repository"]), body["tag"], body["commit"], message),
        image=image,
        version=body["version"],
        engine=body["engine"],
        artifacts=Path(body["artifacts_directory"]),
        smoke=Smoke(
            image.smoke,
            tuple(body["command"]),
            dict(body["environment"]),
            container,
            body["health"],
            body["boot_ms"],
            job,
        ),
        job=job,
    )


def _tail(log: Path) -> list[str]:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return [line for line in lines if line.strip()][-_TAIL:]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
