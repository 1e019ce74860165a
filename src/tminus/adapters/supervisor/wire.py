"""What client and server say to each other: one JSON line there, one back. Must not act on either."""

import json
from typing import Any

from tminus.ports.fault import PortFault, Refused, Unavailable, Unknown
from tminus.ports.supervision import ProgramReading, ProgramSpec

SOCKET = "s.sock"
LINE_LIMIT_BYTES = 4 * 1024 * 1024  # some hundred programs with large environments
CONNECTION_LIMIT_S = 1.0  # a client that says nothing for so long is cut off

_FAULTS: dict[str, type[PortFault]] = {"refused": Refused, "unavailable": Unavailable, "unknown": Unknown}


def encode(message: dict[str, Any]) -> bytes:
    """One line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """The message of one line.

    Raises:
        ValueError: it is not an object.
    """
    message = json.loads(line)
    if not isinstance(message, dict):
        raise ValueError("not an object")  # noqa: TRY004 - malformed input is a value, not a type, to callers
    return message


def fault_message(fault: PortFault) -> dict[str, Any]:
    """A fault as a reply."""
    name = next(name for name, cls in _FAULTS.items() if isinstance(fault, cls))
    return {"fault": name, "code": fault.code, "why": fault.why}


def raise_fault(reply: dict[str, Any]) -> None:
    """Raises the fault that a reply carries, if any."""
    if "fault" in reply:
        raise _FAULTS[reply["fault"]](str(reply["code"]), str(reply["why"]))


def spec_message(spec: ProgramSpec) -> dict[str, Any]:
    """A specification as JSON."""
    return {
        "name": spec.name,
        "argv": list(spec.argv),
        "environment": dict(spec.environment),
        "directory": spec.directory,
        "log": spec.log,
        "restart": spec.restart,
        "socket": spec.socket,
        "stop_grace_ms": spec.stop_grace_ms,
    }


def spec_from(message: dict[str, Any]) -> ProgramSpec:
    """The specification that `spec_message` wrote.

    Raises:
        ValueError: a field is missing or unknown.
    """
    try:
        return ProgramSpec(**{**message, "argv": tuple(message["argv"])})
    except (TypeError, KeyError) as error:
        raise ValueError(f"not a program: {error}") from error


def reading_message(reading: ProgramReading) -> dict[str, Any]:
    """A reading as JSON."""
    return {
        "name": reading.name,
        "pid": reading.pid,
        "restarts": reading.restarts,
        "started_ms": reading.started_ms,
    }


def reading_from(message: dict[str, Any]) -> ProgramReading:
    """The reading that `reading_message` wrote."""
    return ProgramReading(**message)
