"""Where tminus keeps its state on this machine. Standard library only: it is asked before anything heavy."""

from collections.abc import Mapping
from pathlib import Path

HOME_VARIABLE = "TMINUS_HOME"
DRIVERS = "drivers"
"""Folder of the sockets on which drivers listen for orders, one per launch."""

_SOCKET_NAME = 24  # characters of a launch's name that its socket bears: UNIX socket paths are short


def home_path(environment: Mapping[str, str]) -> Path:
    """Where tminus keeps its state: TMINUS_HOME, else the user's state directory."""
    if environment.get(HOME_VARIABLE):
        return Path(environment[HOME_VARIABLE])
    state = environment.get("XDG_STATE_HOME")
    base = Path(state) if state else Path(environment.get("HOME", "~")).expanduser() / ".local" / "state"
    return base / "tminus"


def driver_socket(home: Path, launch: str) -> Path:
    """Where the driver of a launch listens for orders."""
    return home / DRIVERS / f"{launch[-_SOCKET_NAME:]}.sock"
