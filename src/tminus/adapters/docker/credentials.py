"""Who we are to a registry: from a secret, or from what `docker login` has left. Must not print a value."""

import base64
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LOGIN_VARIABLE = "TMINUS_REGISTRY_LOGIN"
"""In a job's environment: `user:password`, where the plan names a secret for it."""

_HELPER_LIMIT_S = 10.0  # a password store that asks a person for longer holds up the launch


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user of a registry; the password never enters a text of this value."""

    user: str
    password: str = field(repr=False)


def find_credentials(registry: str, environment: Mapping[str, str]) -> Credentials | None:
    """Those of the plan's secret, else those that `docker login` has left; None where there are none."""
    given = environment.get(LOGIN_VARIABLE, "")
    if given:
        user, _, password = given.partition(":")
        return Credentials(user, password)
    config = _config(environment)
    helper = _object(config.get("credHelpers")).get(registry) or config.get("credsStore")
    if helper and (found := _from_helper(str(helper), registry, environment)):
        return found
    entry = _object(_object(config.get("auths")).get(registry))
    try:
        user, _, password = base64.b64decode(str(entry.get("auth", ""))).decode().partition(":")
    except ValueError:
        return None
    return Credentials(user, password) if user and password else None


def engine_header(registry: str, credentials: Credentials | None) -> dict[str, str]:
    """The header by which an engine is told who pushes or pulls."""
    return {"X-Registry-Auth": _packed({"serveraddress": registry, **_login(credentials)})}


def build_header(registry: str, credentials: Credentials | None) -> dict[str, str]:
    """The header by which an engine is told who pulls the images that a build begins with."""
    return {"X-Registry-Config": _packed({registry: _login(credentials)})} if credentials else {}


def _login(credentials: Credentials | None) -> dict[str, str]:
    return {} if credentials is None else {"username": credentials.user, "password": credentials.password}


def _packed(body: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(body).encode()).decode()


def _config(environment: Mapping[str, str]) -> dict[str, Any]:
    folder = environment.get("DOCKER_CONFIG") or str(Path(environment.get("HOME", "/")) / ".docker")
    try:
        return _object(json.loads((Path(folder) / "config.json").read_bytes()))
    except (OSError, ValueError):
        return {}


def _from_helper(helper: str, registry: str, environment: Mapping[str, str]) -> Credentials | None:
    try:
        done = subprocess.run(
            [f"docker-credential-{helper}", "get"],
            input=registry.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(environment),
            timeout=_HELPER_LIMIT_S,
            check=False,
        )
        body = _object(json.loads(done.stdout)) if done.returncode == 0 else {}
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    user, password = str(body.get("Username", "")), str(body.get("Secret", ""))
    return Credentials(user, password) if user and password else None


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
