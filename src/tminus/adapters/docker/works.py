"""The works `verify-image` and `pull-image`."""

import os
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, cast

from tminus.adapters.docker.credentials import find_credentials
from tminus.adapters.docker.engine import Engine
from tminus.adapters.docker.pulling import pull
from tminus.adapters.docker.record import folder_of, read_record, verify_record
from tminus.adapters.docker.registry import Registry
from tminus.domain.canonical import Json
from tminus.domain.problem import Problem, ProblemError
from tminus.ports.fault import PortFault


def verify(arguments: Json, directory: Path, stop: threading.Event) -> Json:  # noqa: ARG001 - the shape of every work
    """Asks the registry whether the image is still what was pushed, and reads its evidence again.

    Args:
        arguments: `artifact` (digest), `artifacts_directory` (path), optionally `secrets` (with
            TMINUS_REGISTRY_LOGIN).
        directory: of the job.
        stop: not looked at: each call has its own limit.

    Returns:
        `{"digest", "reference", "layers"}`.

    Raises:
        ProblemError: `artifact-missing`, `artifact-changed`, `image-gone`, `registry-refused`,
            `registry-unreachable`.
    """
    body = cast("Mapping[str, Any]", arguments)
    found = verify_record(Path(body["artifacts_directory"]), str(body["artifact"]))
    host = found.repository.partition("/")[0]
    try:
        with Registry(found.repository, find_credentials(host, os.environ)) as registry:
            manifest = registry.manifest(found.digest)
            if manifest is None or manifest.digest != found.digest:
                raise _gone(found.reference, "its manifest is not in the registry any more")
            for blob, _ in ((found.image, 0), *manifest.layers):
                if not registry.has_blob(blob):
                    raise _gone(found.reference, f"{blob} of it is not in the registry any more")
    except PortFault as fault:
        raise ProblemError(Problem(fault.code, fault.why, found.repository)) from fault
    return {"digest": found.digest, "reference": found.reference, "layers": len(manifest.layers)}


def pull_image(arguments: Json, directory: Path, stop: threading.Event) -> Json:  # noqa: ARG001 - as above
    """Brings the image to every machine of the plan, by its digest.

    Args:
        arguments: `artifact` (digest), `artifacts_directory` (path), `machines` (a list of engines, empty
            for this machine's own), `engine` (this machine's own), optionally `secrets`.
        directory: of the job.
        stop: ends it.

    Returns:
        `{"reference", "machines": [{"engine", "pulled", "took_ms"}]}`; not `pulled` where it was there.

    Raises:
        ProblemError: `artifact-missing`, `image-not-pulled`, `engine-unreachable`.
    """
    body = cast("Mapping[str, Any]", arguments)
    engines = list(dict.fromkeys(body.get("machines") or [body["engine"]]))
    told: list[Json] = []
    try:
        found = read_record(folder_of(Path(body["artifacts_directory"]), str(body["artifact"])))
        for url in engines:
            started = time.monotonic()
            with closing(Engine(url)) as engine:
                pulled = pull(engine, found, os.environ, stop)
            told.append(
                {"engine": url, "pulled": pulled, "took_ms": int((time.monotonic() - started) * 1000)}
            )
    except PortFault as fault:
        raise ProblemError(Problem(fault.code, fault.why)) from fault
    return {"reference": found.reference, "machines": told}


def _gone(reference: str, why: str) -> ProblemError:
    fix = "push it again from an engine that still has it, or build the release again under another version"
    return ProblemError(Problem("image-gone", f"{reference} cannot be pulled any more", reference, why, fix))
