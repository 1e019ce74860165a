"""Asks a running Traefik about itself: what it follows, who is up, what it has counted. Must not decide."""

import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tminus.adapters.router import route_text
from tminus.adapters.traefik import config, files
from tminus.domain.launch.route import Route
from tminus.domain.launch.slot import Slot
from tminus.domain.plan.route_class import OTHER
from tminus.ports.fault import Unavailable

CALL_LIMIT_S = 1.0
_ANSWER_LIMIT_BYTES = 16 * 1024 * 1024
_OK = 200


@dataclass(frozen=True, slots=True)
class Truth:
    """What the running configuration says of itself, in one answer.

    Attributes:
        route: in force.
        hosting: digest.
        admitted: slots that may get requests.
        up: instances per slot that answered their last check.
    """

    route: Route
    hosting: str
    admitted: frozenset[Slot]
    up: Mapping[Slot, int]


class Control:
    """The door of one Traefik that only who has the key may use."""

    def __init__(self, directory: Path, limit_s: float = CALL_LIMIT_S) -> None:
        """See the class; every call takes at most `limit_s`."""
        self._directory = directory
        self._limit_s = limit_s

    def truth(self) -> Truth:
        """Route, hosting and health: headers and body are of the same configuration.

        Raises:
            Unavailable: `router-silent`, or `router-unexpected`.
        """
        headers, body = self._get("/api/http/services?per_page=10000")
        try:
            route = route_text.from_text(headers[config.ROUTE_HEADER])
            services = {entry["name"]: entry for entry in json.loads(body)}
            up = {slot: _up(services, config.leaf(slot, route.generation, OTHER)) for slot in Slot}
            return Truth(route, headers[config.HOSTING_HEADER], config.admitted_in(headers), up)
        except (KeyError, ValueError, TypeError) as error:
            raise Unavailable("router-unexpected", f"Traefik said {body[:200]!r}") from error

    def objections(self) -> tuple[str, ...]:
        """What Traefik rejects in the configuration that it follows, in its own words.

        Raises:
            Unavailable: `router-silent`, or `router-unexpected`.
        """
        found: list[str] = []
        for kind in ("routers", "services", "middlewares"):
            _, body = self._get(f"/api/http/{kind}?per_page=10000")
            try:
                found += [
                    f"{entry['name']}: {'; '.join(_words(entry.get('error')))}"
                    for entry in json.loads(body)
                    if entry.get("status") != "enabled" or entry.get("error")
                ]
            except (KeyError, ValueError, TypeError) as error:
                raise Unavailable("router-unexpected", f"Traefik said {body[:200]!r}") from error
        return tuple(found)

    def metrics(self) -> str:
        """All counters, in Prometheus's format.

        Raises:
            Unavailable: `router-silent`.
        """
        return self._get("/metrics")[1]

    def _get(self, target: str) -> tuple[Mapping[str, str], str]:
        until_s = time.monotonic() + self._limit_s
        port, key = access(self._directory)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=self._limit_s)
        try:
            connection.request("GET", target, headers={config.KEY_HEADER: key, "Connection": "close"})
            answer = connection.getresponse()
            if connection.sock is not None:
                connection.sock.settimeout(max(0.001, until_s - time.monotonic()))
            body = answer.read(_ANSWER_LIMIT_BYTES).decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable("router-silent", f"Traefik does not answer: {error}") from error
        finally:
            connection.close()
        if answer.status != _OK:
            raise Unavailable("router-silent", f"Traefik answers {answer.status}: it follows no route yet")
        return dict(answer.getheaders()), body


def access(directory: Path) -> tuple[int, str]:
    """Port and key of the door.

    Raises:
        Unavailable: `router-not-hosted`.
    """
    path = directory / files.ACCESS
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return int(found["port"]), str(found["key"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Unavailable("router-not-hosted", f"no router was hosted in {directory}") from error


def _up(services: Mapping[str, Any], name: str) -> int:
    status: Mapping[str, str] = services.get(f"{name}@file", {}).get("serverStatus") or {}
    return sum(value == "UP" for value in status.values())


def _words(error: Any) -> list[str]:  # noqa: ANN401 - any JSON
    return [str(each) for each in error] if isinstance(error, list) else [str(error or "disabled")]
