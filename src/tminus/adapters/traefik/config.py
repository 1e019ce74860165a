"""Traefik's configurations as JSON, which is YAML too, from values. Must not run anything or read any file.

Every route class has a leaf per slot, so that its requests are counted apart; a net per slot, which is the
slot with the other one behind it; and the split between the nets. The generation is part of the leaves'
names: counters and cookies of an earlier trial mean nothing in a later one.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tminus.adapters.router.route_text import to_text
from tminus.domain.canonical import Json
from tminus.domain.launch.route import Route
from tminus.domain.launch.slot import Slot
from tminus.domain.plan.route_class import METER, METER_HEADER, OTHER, RouteClass, Traffic
from tminus.domain.watch.counts import BUCKETS_MS
from tminus.ports.fault import Refused
from tminus.ports.router import Hosting

ENTRY_POINT = "public"
CONTROL = "control"
KEY_HEADER = "X-Tminus-Key"
ROUTE_HEADER = "X-Tminus-Route"
HOSTING_HEADER = "X-Tminus-Hosting"
ADMITTED_HEADER = "X-Tminus-Admitted"
CHECK_EVERY = "500ms"
CHECK_CLASS_EVERY = "1s"  # of every class but the last: there are many, and each asks every instance
CHECK_LIMIT = "2s"  # as CONNECT: one failure takes an instance out
IDLE = "1s"  # what is open for longer without a request is in flight for nobody
CONNECT = "3s"  # who has a short queue drops what is too much, and the kernel tries again after a second
ATTEMPTS = 4  # every instance of a slot of three, and one more
SILENCE = "30s"  # between a request and the head of its answer
LONG_SILENCE = "1h"
NOWHERE = "nowhere"
NONE = "none"  # a header without a value would not be sent at all

_ADDRESS = re.compile(r"[A-Za-z0-9._\[\]:-]+:\d{1,5}")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_METHOD = re.compile(r"[A-Z]+")
_PATH = re.compile(r"/[!-~]*")
_COOKIE = re.compile(r"[A-Za-z0-9_-]*")
_READS = '(Method("GET") || Method("HEAD"))'

Doc = dict[str, Json]


@dataclass(frozen=True, slots=True)
class Standing:
    """What a configuration stands for: the hosting, who is admitted, and the route."""

    hosting: Hosting
    admitted: frozenset[Slot]
    route: Route


def static(hosting: Hosting, control_port: int) -> str:
    """What Traefik is started with: both doors, counters, and the file that it follows."""
    host = f"[{hosting.host}]" if ":" in hosting.host else hosting.host
    as_sent: Doc = {
        "sanitizePath": False,
        "encodedCharacters": {
            f"allowEncoded{name}": True
            for name in (
                *("Slash", "BackSlash", "NullCharacter"),
                *("Semicolon", "Percent", "QuestionMark", "Hash"),
            )
        },
    }
    body: dict[str, Any] = {
        "global": {"checkNewVersion": False, "sendAnonymousUsage": False},
        "log": {"level": "ERROR"},
        "entryPoints": {
            ENTRY_POINT: {
                "address": f"{host}:{hosting.port}",
                "http": as_sent,
                "transport": {
                    "lifeCycle": {"graceTimeOut": "1h"},
                    "respondingTimeouts": {"readTimeout": "0s", "idleTimeout": "60s"},
                },
            },
            CONTROL: {
                "address": f"127.0.0.1:{control_port}",
                "transport": {"lifeCycle": {"graceTimeOut": "1s"}},
            },
        },
        "providers": {
            "providersThrottleDuration": "20ms",
            "file": {"filename": "live.yaml", "watch": True},
        },
        "api": {"insecure": False, "dashboard": False},
        "metrics": {
            "prometheus": {
                "manualRouting": True,
                "addEntryPointsLabels": False,
                "addServicesLabels": True,
                "buckets": [edge_ms / 1000 for edge_ms in BUCKETS_MS],
            }
        },
    }
    return json.dumps(body)


def dynamic(standing: Standing, key: str) -> str:
    """What Traefik follows.

    Raises:
        Refused: `router-config-rejected`, a value cannot stand in a configuration.
    """
    _check(standing.hosting)
    routers: Doc = dict(_doors(key))
    services: Doc = {NOWHERE: {"loadBalancer": {"servers": []}}}
    for number, (entry, claim) in enumerate(reversed(_classes(standing.hosting)), start=1):
        routers |= _routers(entry.name, claim, number)
        services |= _services(standing, entry)
    able = _able(standing, tuple(Slot))
    if able:
        # What no router leads to is not built, and so not checked: this one keeps both slots under checks.
        everyone: list[Json] = [
            {"name": leaf(slot, standing.route.generation, OTHER), "weight": 1} for slot in able
        ]
        services["everyone"] = {"weighted": {"services": everyone}}
        rule = f'{_known(key)} && Path("/everyone")'
        routers["tminus-everyone"] = {"entryPoints": [CONTROL], "rule": rule, "service": "everyone"}
    body: Doc = {
        "http": {
            "routers": routers,
            "services": services,
            "middlewares": _middlewares(standing),
            "serversTransports": {
                "plain": _transport(SILENCE),
                "long": _transport(LONG_SILENCE),
            },
        }
    }
    return json.dumps(body)


def _middlewares(standing: Standing) -> Doc:
    truth: Doc = {
        ROUTE_HEADER: to_text(standing.route),
        HOSTING_HEADER: standing.hosting.digest,
        ADMITTED_HEADER: ",".join(sorted(standing.admitted)) or NONE,
    }
    again: Doc = {"attempts": ATTEMPTS, "initialInterval": "10ms"}
    return {
        "truth": {"headers": {"customResponseHeaders": truth}},
        # Only what never reached an instance is sent again, but for reads, which may be.
        "again-write": {"retry": again},
        "again-read": {"retry": {**again, "status": ["502", "504"]}},
    }


def leaf(slot: Slot, generation: int, route_class: str) -> str:
    """The service whose counters are those of a class on a slot."""
    return f"{slot}-{generation}-{route_class}"


def _transport(silence: str) -> Doc:
    return {
        "maxIdleConnsPerHost": 256,
        "forwardingTimeouts": {
            "dialTimeout": CONNECT,
            "responseHeaderTimeout": silence,
            "idleConnTimeout": IDLE,
        },
    }


def _doors(key: str) -> Iterator[tuple[str, Doc]]:
    """Who knows the key may ask what Traefik does and what it has counted."""
    known = _known(key)
    shared: Doc = {"entryPoints": [CONTROL], "middlewares": ["truth"]}
    yield "tminus-api", {**shared, "rule": known, "service": "api@internal", "priority": 1}
    counted = f'{known} && Path("/metrics")'
    yield "tminus-metrics", {**shared, "rule": counted, "service": "prometheus@internal", "priority": 2}


def _known(key: str) -> str:
    return f"Header({json.dumps(KEY_HEADER)}, {json.dumps(key)})"


def _classes(hosting: Hosting) -> list[tuple[RouteClass, str]]:
    """Every class with the rule of what it claims, the first claim first; the last claims all."""
    meter = (RouteClass(METER, ()), f'HeaderRegexp("{METER_HEADER}", ".")')
    own = [(entry, _claim(entry)) for entry in hosting.route_classes]
    return [meter, *own, (RouteClass(OTHER, ("/",)), 'PathPrefix("/")')]


def _claim(entry: RouteClass) -> str:
    paths = " || ".join(_below(path) for path in entry.paths) or 'PathPrefix("/")'
    methods = " || ".join(f'Method("{method}")' for method in entry.methods)
    return f"({paths}) && ({methods})" if methods else f"({paths})"


def _below(path: str) -> str:
    """A path and all below it: `/pay` and `/pay/x`, not `/payroll`."""
    prefix = path.rstrip("/")
    deeper = f"PathPrefix({json.dumps(prefix + '/')})"
    return f"Path({json.dumps(prefix)}) || {deeper}" if prefix else deeper


def _routers(name: str, claim: str, number: int) -> Doc:
    shared: Doc = {"entryPoints": [ENTRY_POINT], "service": f"split-{name}"}
    return {
        f"{name}-read": {
            **shared,
            "rule": f"{claim} && {_READS}",
            "priority": 2 * number + 1,
            "middlewares": ["again-read"],
        },
        f"{name}-write": {
            **shared,
            "rule": claim,
            "priority": 2 * number,
            "middlewares": ["again-write"],
        },
    }


def _services(standing: Standing, entry: RouteClass) -> Doc:
    route, name = standing.route, entry.name
    services: Doc = {}
    for slot in _able(standing, tuple(Slot)):
        services[leaf(slot, route.generation, name)] = _instances(standing.hosting, slot, entry)
    nets = {slot: _net(standing, slot, name) for slot in Slot if _able(standing, (slot, slot.other))}
    services |= {f"net-{slot}-{route.generation}-{name}": net for slot, net in nets.items()}
    parts: list[Json] = [
        {"name": f"net-{slot}-{route.generation}-{name}", "weight": share}
        for slot in Slot
        if (share := route.share_bp(slot)) and slot in nets
    ]
    split: Doc = {"services": parts or [{"name": NOWHERE, "weight": 1}]}
    if standing.hosting.sticky_cookie and route.candidate is not None:
        cookie: Doc = {
            "name": standing.hosting.sticky_cookie,
            "httpOnly": True,
            "sameSite": "lax",
            "path": "/",
        }
        split["sticky"] = {"cookie": cookie}
    services[f"split-{name}"] = {"weighted": split}
    return services


def _net(standing: Standing, slot: Slot, name: str) -> Doc:
    """The slot, with the other one behind it where both can serve."""
    first, *behind = (
        leaf(each, standing.route.generation, name) for each in _able(standing, (slot, slot.other))
    )
    if behind:
        return {"failover": {"service": first, "fallback": behind[0]}}
    return {"weighted": {"services": [{"name": first, "weight": 1}]}}


def _able(standing: Standing, slots: tuple[Slot, ...]) -> list[Slot]:
    return [slot for slot in slots if slot in standing.admitted and standing.hosting.addresses.get(slot)]


def _instances(hosting: Hosting, slot: Slot, entry: RouteClass) -> Doc:
    servers: list[Json] = [{"url": f"http://{address}"} for address in hosting.addresses[slot]]
    balancer: Doc = {
        "servers": servers,
        "serversTransport": "plain" if entry.traffic is Traffic.REQUEST else "long",
        "healthCheck": {
            "path": hosting.health_path,
            "interval": CHECK_EVERY if entry.name == OTHER else CHECK_CLASS_EVERY,
            "timeout": CHECK_LIMIT,
            # A check that keeps its connection would look like a request that does not end.
            "headers": {"Connection": "close"},
        },
    }
    return {"loadBalancer": balancer}


def _check(hosting: Hosting) -> None:
    for slot in Slot:
        for address in hosting.addresses.get(slot, ()):
            _need(_ADDRESS, address, "address")
    for entry in hosting.route_classes:
        _need(_NAME, entry.name, "route class")
        for path in entry.paths:
            _need(_PATH, path, "path")
        for method in entry.methods:
            _need(_METHOD, method, "method")
    _need(_PATH, hosting.health_path, "health path")
    _need(_COOKIE, hosting.sticky_cookie, "cookie")
    if hosting.asset_paths:
        raise Refused("router-config-rejected", "Traefik cannot look for a file in both slots")


def _need(shape: re.Pattern[str], value: str, what: str) -> None:
    if not shape.fullmatch(value):
        raise Refused("router-config-rejected", f"{value!r} is no {what} that Traefik could be given")


def admitted_in(headers: Mapping[str, str]) -> frozenset[Slot]:
    """Slots that a configuration admits, by the headers with which it tells what it stands for.

    Raises:
        KeyError: they do not say.
        ValueError: it names no slot.
    """
    words = headers[ADMITTED_HEADER]
    return frozenset() if words == NONE else frozenset(Slot(word) for word in words.split(","))


def standing_headers(text: str) -> Mapping[str, str]:
    """The headers by which a configuration tells what it stands for.

    Raises:
        ValueError: it is none of ours.
    """
    try:
        headers = json.loads(text)["http"]["middlewares"]["truth"]["headers"]["customResponseHeaders"]
    except (KeyError, TypeError) as error:
        raise ValueError("it holds no route") from error
    return {str(name): str(value) for name, value in headers.items()}
