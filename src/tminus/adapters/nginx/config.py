"""The file that nginx includes, as text, from values. Must not run anything or read any file."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tminus.adapters.router.route_text import to_text
from tminus.domain.launch.route import FULL_BP, Route
from tminus.domain.launch.slot import Slot
from tminus.ports.fault import Refused
from tminus.ports.router import Hosting

PROBE = "probe.sock"
LOG = "access.log"
NONE = "none"
COLUMNS = ("generation", "slot", "method", "meter", "status", "servers", "took", "path")
_ADDRESS = re.compile(r"[A-Za-z0-9._\[\]:-]+:\d{1,5}")
_DIGEST = re.compile(r"[\w:.-]*")
_FOLDER = re.compile(r"/[A-Za-z0-9._/+@-]*")


@dataclass(frozen=True, slots=True)
class Standing:
    """What a file stands for: the hosting, who is admitted, and the route."""

    hosting: Hosting
    admitted: frozenset[Slot]
    route: Route


def name_of(file: Path) -> str:
    """What everything in a file is called, for example `tminus_shop`: several may be included."""
    return "tminus_" + re.sub(r"[^a-z0-9]", "_", file.name.partition(".")[0].lower())


def render(standing: Standing, name: str, directory: Path) -> str:
    """The whole file; `directory` holds the probe's socket and the log.

    Raises:
        Refused: `router-config-rejected`, a value cannot stand in it.
    """
    _check(standing.hosting, directory)
    return "\n".join([*_lines(standing, name, directory), ""])


def _lines(standing: Standing, name: str, directory: Path) -> Iterator[str]:
    route = standing.route
    yield "# Written by tminus: changes are lost. A server of yours uses it with"
    yield f"#   location / {{ proxy_pass http://${name}; access_log {directory / LOG} {name}; }}"
    yield from _split(route, name)
    for slot in Slot:
        yield from _upstream(standing, slot, name)
    yield f"upstream {name}_{NONE} {{ server 127.0.0.1:9 down; }}"
    words = (
        *(str(route.generation), f"${name}", "$request_method", "$http_x_tminus_meter", "$status"),
        *("$upstream_addr", "$upstream_header_time", "$request_uri"),
    )
    yield f"log_format {name} escape=json '{chr(9).join(words)}';"
    admitted = ",".join(sorted(standing.admitted)) or NONE
    answer = f"route={to_text(route)} hosting={standing.hosting.digest} admitted={admitted}"
    yield (
        f"server {{ listen unix:{directory / PROBE}; server_name {name}; access_log off;"
        f' location / {{ default_type text/plain; return 200 "{answer}\\n"; }} }}'
    )


def _split(route: Route, name: str) -> Iterator[str]:
    yield f"split_clients $request_id ${name} {{"
    if route.candidate is not None and 0 < route.candidate_bp < FULL_BP:
        whole, part = divmod(route.candidate_bp, 100)
        yield f"  {whole}.{part:02d}% {name}_{route.candidate};"
    rest = route.candidate if route.candidate_bp == FULL_BP else route.live
    yield f"  * {name}_{rest or NONE};"
    yield "}"


def _upstream(standing: Standing, slot: Slot, name: str) -> Iterator[str]:
    """A slot, with the other one behind it where both are admitted."""
    able = [
        each
        for each in (slot, slot.other)
        if each in standing.admitted and standing.hosting.addresses.get(each)
    ]
    yield f"upstream {name}_{slot} {{"
    for each in able:
        backup = " backup" if each is not able[0] else ""
        for address in standing.hosting.addresses[each]:
            yield f"  server {address} max_fails=1 fail_timeout=1s{backup};"
    if not able:
        yield "  server 127.0.0.1:9 down;"
    yield "}"


def _check(hosting: Hosting, directory: Path) -> None:
    for slot in Slot:
        for address in hosting.addresses.get(slot, ()):
            _need(_ADDRESS, address, "address")
    _need(_DIGEST, hosting.digest, "digest")
    _need(_FOLDER, str(directory), "folder")
    for asked, what in (
        (hosting.sticky_cookie, "keep clients on a slot"),
        (hosting.asset_paths, "find files"),
    ):
        if asked:
            raise Refused("router-config-rejected", f"nginx cannot {what} for tminus")


def _need(shape: re.Pattern[str], value: str, what: str) -> None:
    if not shape.fullmatch(value):
        raise Refused("router-config-rejected", f"{value!r} is no {what} that nginx could be given")
