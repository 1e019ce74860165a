"""The command that starts a supervisor, for callers and keepers alike."""

import sys
from pathlib import Path


def start_command(directory: Path) -> tuple[str, ...]:
    """What starts the supervisor of a directory, and returns once one serves it."""
    return (sys.executable, "-P", "-m", "tminus.adapters.supervisor", "--directory", str(directory))
