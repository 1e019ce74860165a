"""The work `resources`: whether the machine has room for what comes. Must not free any."""

import os
import threading
import time
from pathlib import Path
from typing import cast

from tminus.domain.canonical import Json
from tminus.domain.problem import Problem, ProblemError

_MILLION = 1_000_000
_MEMORY = Path("/proc/meminfo")


def resources(arguments: Json, directory: Path, stop: threading.Event) -> Json:  # noqa: ARG001 - the shape of every work
    """Compares what is free with what the plan asks for.

    Args:
        arguments: `directory` (on the file system that is judged), `disk_free_ppm`, `memory_free_ppm`
            (parts per million that must be free at least).
        directory: of the job.
        stop: not looked at: this takes no time.

    Returns:
        `{"passed", "answers": [{"name", "passed", "duration_ms", "why"}]}`; what cannot be read did not
        pass.

    Raises:
        ProblemError: `bad-arguments`.
    """
    body = arguments if isinstance(arguments, dict) else {}
    try:
        place = Path(cast("str", body["directory"]))
        disk_ppm, memory_ppm = (
            int(cast("int", body["disk_free_ppm"])),
            int(cast("int", body["memory_free_ppm"])),
        )
    except KeyError as error:
        raise _bad(f"{error.args[0]} is missing") from error
    except (ValueError, TypeError) as error:
        raise _bad(str(error)) from error
    answers = [_judge_disk(place, disk_ppm), _judge_memory(memory_ppm)]
    return {"passed": all(bool(answer["passed"]) for answer in answers), "answers": list(answers)}


def _judge_disk(place: Path, wanted_ppm: int) -> dict[str, Json]:
    started = time.monotonic()
    try:
        found = os.statvfs(place)
        free, total = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
    except OSError as error:
        return _answer("disk", started, f"the file system of {place} cannot be read: {error.strerror}")
    return _answer("disk", started, _why(f"the file system of {place}", free, total, wanted_ppm))


def _judge_memory(wanted_ppm: int) -> dict[str, Json]:
    started = time.monotonic()
    try:
        lines = dict(line.split(":", 1) for line in _MEMORY.read_text(encoding="ascii").splitlines())
        free, total = (int(lines[name].split()[0]) * 1024 for name in ("MemAvailable", "MemTotal"))
    except (OSError, ValueError, KeyError):
        return _answer("memory", started, "the system does not tell how much memory is free")
    return _answer("memory", started, _why("memory", free, total, wanted_ppm))


def _why(what: str, free: int, total: int, wanted_ppm: int) -> str:
    """Why that is not enough; empty when it is."""
    if total <= 0:
        return f"{what} has no size"
    if free * _MILLION >= total * wanted_ppm:
        return ""
    gigabyte = 1_000_000_000
    return (
        f"{what}: {free * 100 / total:.1f} % free ({free / gigabyte:.1f} of {total / gigabyte:.1f} GB), "
        f"wanted at least {wanted_ppm / 10_000:g} %"
    )


def _answer(name: str, started: float, why: str) -> dict[str, Json]:
    duration_ms = int((time.monotonic() - started) * 1000)
    return {"name": name, "passed": not why, "duration_ms": duration_ms, "why": why}


def _bad(why: str) -> ProblemError:
    return ProblemError(Problem("bad-arguments", "the resources wanted cannot be told", why=why))
