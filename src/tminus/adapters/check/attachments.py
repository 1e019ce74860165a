"""Files that people attach to statements, kept under their digest. Must not know what they state."""

import hashlib
import os
import tempfile
from pathlib import Path

from tminus.domain.problem import Problem, ProblemError

MOST_BYTES = 50 * 1024 * 1024
"""A scanned and signed report; what is larger belongs elsewhere, and its address into the text."""


def keep_file(file: Path, directory: Path) -> str:
    """Copies the file to `directory` under its digest, and returns that: `sha256:…`.

    A file that is there already is not written again.

    Raises:
        ProblemError: `attachment-unreadable`, `attachment-too-large`, `attachment-not-kept`.
    """
    try:
        with file.open("rb") as source:
            content = source.read(MOST_BYTES + 1)
    except OSError as error:
        raise ProblemError(
            Problem(
                "attachment-unreadable",
                f"the file cannot be read: {error.strerror}",
                str(file),
                fix="name another",
            )
        ) from error
    if len(content) > MOST_BYTES:
        raise ProblemError(
            Problem(
                "attachment-too-large",
                f"the file has more than {MOST_BYTES // 1024 // 1024} MiB",
                str(file),
                fix="keep it elsewhere, and say where in the statement",
            )
        )
    digest = hashlib.sha256(content).hexdigest()
    target = directory / digest
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not target.exists():
            _write(content, target)
    except OSError as error:
        raise ProblemError(
            Problem(
                "attachment-not-kept",
                f"the file cannot be kept: {error.strerror}",
                str(directory),
                fix="free some space, or make the folder writable",
            )
        ) from error
    return f"sha256:{digest}"


def _write(content: bytes, target: Path) -> None:
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o400)
        temporary.replace(target)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
