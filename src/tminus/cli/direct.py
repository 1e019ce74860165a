"""The short way of an order that protects: told to the driver before the journal's libraries are loaded.

Loading these takes longer than a rollback. What is told here is recorded afterwards as always, under the
same key; where the driver cannot be told at once, nothing is lost but that time.
"""

import argparse
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tminus.adapters.clock.system_clock import SystemClock, poke
from tminus.adapters.machine.home import DRIVERS, home_path
from tminus.cli.person import person

PROTECTIVE = frozenset({"rollback", "abort"})
"""Orders that take traffic away from a candidate; every other can wait half a second."""

_SERVICE = re.compile(r"^service:\s*[\"']?([A-Za-z0-9._-]+)", re.MULTILINE)
_PLAN_BYTES = 1 << 20  # no plan is larger


@dataclass(frozen=True, slots=True)
class Told:
    """An order that a driver has been given: the socket's name, and the order as it was told."""

    socket: str
    order: Mapping[str, str | int]


def tell_driver(arguments: Sequence[str], environment: Mapping[str, str], folder: Path) -> Told | None:
    """Tells the one driver that is meant; None where no order protects, or nobody is sure to be meant."""
    if not arguments or arguments[0] not in PROTECTIVE:
        return None
    options = _parsed(arguments[1:])
    if options is None:
        return None
    path = _socket(home_path(environment), options.launch, folder)
    if path is None:
        return None
    now_ms = SystemClock().now_ms()
    by = options.by or person()
    order: dict[str, str | int] = {
        "key": f"{now_ms}-{arguments[0]}-{by}",
        "verb": arguments[0],
        "by": by,
        "reason": options.reason,
        "at_ms": now_ms,
        "argument": "",
    }
    try:
        heard = poke(path, json.dumps(order).encode())
    except OSError:
        return None
    return Told(path.name, order) if heard else None


class _Silent(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]  # usage is the verb's own to explain
        raise ValueError(message)


def _parsed(arguments: Sequence[str]) -> argparse.Namespace | None:
    parser = _Silent(add_help=False, allow_abbrev=False)
    parser.add_argument("launch", nargs="?")
    parser.add_argument("--reason", "-m", default="")
    parser.add_argument("--by", default="")
    try:
        return parser.parse_args(list(arguments))
    except ValueError:
        return None


def _socket(home: Path, name: str | None, folder: Path) -> Path | None:
    wanted = name or _service(folder / "launch.yaml")
    if not wanted:
        return None
    try:
        names = [entry for entry in os.listdir(home / DRIVERS) if entry.endswith(".sock")]  # noqa: PTH208 - a name each
    except OSError:
        return None
    found = [entry for entry in names if entry == f"{wanted}.sock" or entry.startswith(f"{wanted}-")]
    return home / DRIVERS / found[0] if len(found) == 1 else None


def _service(plan: Path) -> str | None:
    try:
        with plan.open(encoding="utf-8") as file:
            match = _SERVICE.search(file.read(_PLAN_BYTES))
    except (OSError, UnicodeDecodeError):
        return None
    return match.group(1) if match else None
