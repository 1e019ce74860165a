"""What the runtime remembers on disk: which slot holds what, and which instance has which port."""

import errno
import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tminus.domain.launch.slot import Slot
from tminus.ports.fault import Unavailable

FILE = "slots.json"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Tenancy:
    """What a slot holds.

    Attributes:
        digest: of the artifact.
        expected: how many instances.
        health_path: answers 200 when ready.
        external: addresses of instances that somebody else runs; empty for our own.
    """

    digest: str
    expected: int
    health_path: str
    external: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """Everything on disk; `ports` by instance name, and `hosts` of those that are on other machines."""

    tenancies: dict[Slot, Tenancy] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    hosts: dict[str, str] = field(default_factory=dict)


def load(directory: Path) -> Record:
    """The remembered record; an empty one where there is none.

    Raises:
        Unavailable: `record-unreadable`.
    """
    path = directory / FILE
    try:
        content = json.loads(path.read_bytes())
        return _record_from(content)
    except FileNotFoundError:
        return Record()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Unavailable("record-unreadable", f"{path}: {error}") from error


def save(directory: Path, record: Record) -> None:
    """Replaces the record durably.

    Raises:
        Unavailable: `disk-full` or `disk-failed`; the old record is still there.
    """
    content = {
        "version": VERSION,
        "slots": {slot.value: asdict(tenancy) for slot, tenancy in record.tenancies.items()},
        "ports": record.ports,
        "hosts": record.hosts,
    }
    path = directory / FILE
    temporary = path.with_name(f".{FILE}.{os.getpid()}.tmp")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(json.dumps(content).encode())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        code = "disk-full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "disk-failed"
        raise Unavailable(code, f"{path}: {error.strerror}") from error


def _record_from(content: dict[str, Any]) -> Record:
    if content["version"] != VERSION:
        raise ValueError(f"version {content['version']!r} is not {VERSION}")
    tenancies = {Slot(name): _tenancy_from(message) for name, message in content["slots"].items()}
    return Record(tenancies, content["ports"], content.get("hosts", {}))


def _tenancy_from(message: dict[str, Any]) -> Tenancy:
    return Tenancy(**{**message, "external": tuple(message["external"])})
