"""Which processes a supervisor's programs consist of, whoever their parent is now."""

import contextlib
import hashlib
import os
from pathlib import Path

from tminus.adapters.supervisor.identity import MARKER


def processes(supervisor_directory: Path, program: str) -> list[int]:
    """Running processes of the programs whose name starts with `program`; zombies do not run."""
    directory = hashlib.sha256(os.fsencode(supervisor_directory.resolve())).hexdigest()[:16]
    mark = f"{MARKER}={directory}:{program}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            # A zombie has no environment any more.
            if any(word.startswith(mark) for word in (entry / "environ").read_bytes().split(b"\0")):
                found.append(int(entry.name))
    return found
