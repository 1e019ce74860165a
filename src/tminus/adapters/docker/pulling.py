"""Bringing an image to an engine by its digest. Must not start anything."""

import http
import threading
from collections.abc import Mapping

from tminus.adapters.docker.credentials import engine_header, find_credentials
from tminus.adapters.docker.engine import Engine, EngineError
from tminus.adapters.docker.record import ImageRecord
from tminus.domain.problem import Problem, ProblemError

_SILENT_LIMIT_S = 120.0  # between two messages of a pull: a layer that is unpacked says nothing meanwhile


def has_image(engine: Engine, record: ImageRecord) -> bool:
    """Whether that engine holds the image.

    Raises:
        Unavailable: `engine-unreachable`.
    """
    try:
        engine.get(f"/images/{record.reference}/json")
    except EngineError as error:
        if error.status != http.HTTPStatus.NOT_FOUND:
            raise
        return False
    return True


def pull(
    engine: Engine, record: ImageRecord, environment: Mapping[str, str], stop: threading.Event | None = None
) -> bool:
    """Brings the image there; False where it was there.

    Raises:
        ProblemError: `image-not-pulled`.
        Unavailable: `engine-unreachable`.
    """
    try:
        if has_image(engine, record):
            return False
        registry = record.repository.partition("/")[0]
        header = engine_header(registry, find_credentials(registry, environment))
        query = {"fromImage": record.repository, "tag": record.digest}
        for _ in engine.messages("/images/create", query, None, header, limit_s=_SILENT_LIMIT_S, stop=stop):
            pass
        if has_image(engine, record):
            return True
        why = "it said that it had pulled the image, and does not have it"
    except EngineError as error:
        why = error.why
    fix = "is the registry up, does the engine reach it, may it pull, is there room on its disk?"
    what = f"{record.reference} could not be pulled"
    raise ProblemError(Problem("image-not-pulled", what, engine.url, why, fix))
