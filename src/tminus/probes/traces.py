"""Marks that a probe leaves and looks for elsewhere. Must not know what is marked."""

import os
import stat
from pathlib import Path

from tminus.domain.watch.measurement import MeasuredState, Missed

MOST_BYTES = 1024 * 1024
"""Of a file's end, in which what was written last is looked for."""

LOOK_MS = 200
"""Between two looks at the same place."""

_MARK_BYTES = 8


def new_mark() -> str:
    """A word of letters and digits that stands nowhere yet, and that no search engine takes apart."""
    return f"tminus{os.urandom(_MARK_BYTES).hex()}"


def in_file(path: Path, mark: str) -> bool | Missed:
    """Whether the mark stands in the last MiB of a plain file; why that cannot be told."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return Missed(MeasuredState.INVALID, f"{path.name} is no plain file")
            file.seek(max(0, status.st_size - MOST_BYTES))
            return mark.encode() in file.read(MOST_BYTES)
    except OSError as error:
        return Missed(MeasuredState.UNREACHABLE, f"{path.name}: {error.strerror}")
