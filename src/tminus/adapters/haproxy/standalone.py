"""A configuration for a HAProxy that runs without tminus: rendered, checked by HAProxy, then written."""

import subprocess
from pathlib import Path

from tminus.adapters.haproxy import config
from tminus.adapters.haproxy.binary import find_binary
from tminus.adapters.haproxy.launcher import CHECK_LIMIT_S, complaint, machine_sizes
from tminus.adapters.router.files import write_durably
from tminus.domain.launch.route import Route
from tminus.ports.fault import Refused, Unavailable
from tminus.ports.router import Hosting


def write_standalone(path: Path, hosting: Hosting, route: Route) -> Path:
    """Writes the configuration that serves `route` for ever, and returns the program it is for.

    Raises:
        Refused: `haproxy-missing`, `haproxy-too-old`, `router-config-rejected`.
        Unavailable: `router-check-failed`, `disk-full`, `disk-failed`.
    """
    binary = find_binary().path
    write_durably(path, config.render_standalone(hosting, route, machine_sizes()))
    try:
        outcome = subprocess.run(
            [binary, "-c", "-f", path],
            env={},
            capture_output=True,
            text=True,
            check=False,
            timeout=CHECK_LIMIT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable("router-check-failed", f"{path} could not be checked: {error}") from error
    if outcome.returncode:
        raise Refused("router-config-rejected", complaint(outcome.stderr))
    return binary
