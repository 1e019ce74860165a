"""The work `verify-artifact`: what was built is still what was built."""

import threading
from pathlib import Path
from typing import cast

from tminus.adapters.git.artifact import verify_artifact
from tminus.domain.canonical import Json
from tminus.domain.problem import Problem, ProblemError


def verify(arguments: Json, directory: Path, stop: threading.Event) -> Json:  # noqa: ARG001 - the shape of every work
    """Reads every file of an artifact again and compares its digest with the one it was built with.

    Args:
        arguments: `artifact` (digest, starts with `sha256:`), `artifacts_directory` (path).
        directory: of the job.
        stop: not looked at: reading an artifact takes no longer than a job's grace.

    Returns:
        `{"digest", "files", "bytes"}`.

    Raises:
        ProblemError: `artifact-missing`, `artifact-changed`, `artifact-unreadable`, `bad-arguments`.
    """
    body = arguments if isinstance(arguments, dict) else {}
    try:
        content = verify_artifact(
            Path(cast("str", body["artifacts_directory"])), cast("str", body["artifact"])
        )
    except KeyError as error:
        raise _bad(f"{error.args[0]} is missing") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise _bad(str(error)) from error
    return {"digest": content.digest, "files": content.files, "bytes": content.bytes}


def _bad(why: str) -> ProblemError:
    return ProblemError(Problem("bad-arguments", "the artifact to verify cannot be told", why=why))
