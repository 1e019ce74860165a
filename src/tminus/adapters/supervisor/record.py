"""What the supervisor remembers on disk: which programs and sockets there should be, and who they are."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tminus.adapters.supervisor import files, wire
from tminus.adapters.supervisor.identity import Identity
from tminus.adapters.supervisor.listener import Held
from tminus.ports.supervision import ProgramSpec

STATE = "state.json"
VERSION = 1


@dataclass(frozen=True, slots=True)
class ProgramRecord:
    """A program as it should be and as it was last seen.

    Attributes:
        spec: what to run.
        leader: the process that runs it, or None.
        leaving: predecessors that were told to finish.
        restarts: how often it was started again by itself.
        started_ms: when last started, milliseconds since the epoch; 0 if never.
        dropped: it is being stopped for good.
    """

    spec: ProgramSpec
    leader: Identity | None = None
    leaving: tuple[Identity, ...] = ()
    restarts: int = 0
    started_ms: int = 0
    dropped: bool = False

    @property
    def groups(self) -> tuple[Identity, ...]:
        """Every process group of the program."""
        return (*self.leaving, self.leader) if self.leader else self.leaving

    def having(self, **changes: Any) -> "ProgramRecord":  # noqa: ANN401 - fields of this class
        """A record with some fields changed."""
        return replace(self, **changes)


@dataclass(frozen=True, slots=True)
class State:
    """Everything on disk."""

    programs: dict[str, ProgramRecord]
    sockets: dict[str, Held]


def load(directory: Path) -> State:
    """The remembered state; an empty one where there is none.

    Raises:
        ValueError: the file is there and cannot be understood.
    """
    try:
        content = json.loads((directory / STATE).read_bytes())
    except FileNotFoundError:
        return State({}, {})
    if content.get("version") != VERSION:
        raise ValueError(f"{directory / STATE}: version {content.get('version')!r} is not {VERSION}")
    programs = [_program_from(message) for message in content["programs"]]
    sockets = [Held(**message) for message in content["sockets"]]
    return State({record.spec.name: record for record in programs}, {held.name: held for held in sockets})


def save(directory: Path, state: State) -> None:
    """Replaces the remembered state; readable by this user alone, since environments hold secrets.

    Raises:
        OSError: the old state is still there.
    """
    content = {
        "version": VERSION,
        "programs": [_program_message(record) for record in state.programs.values()],
        "sockets": [asdict(held) for held in state.sockets.values()],
    }
    files.write_atomically(directory / STATE, json.dumps(content).encode())


def _program_message(record: ProgramRecord) -> dict[str, Any]:
    return {
        "spec": wire.spec_message(record.spec),
        "leader": asdict(record.leader) if record.leader else None,
        "leaving": [asdict(identity) for identity in record.leaving],
        "restarts": record.restarts,
        "started_ms": record.started_ms,
        "dropped": record.dropped,
    }


def _program_from(message: dict[str, Any]) -> ProgramRecord:
    leader = message["leader"]
    return ProgramRecord(
        spec=wire.spec_from(message["spec"]),
        leader=Identity(**leader) if leader else None,
        leaving=tuple(Identity(**identity) for identity in message["leaving"]),
        restarts=message["restarts"],
        started_ms=message["started_ms"],
        dropped=message["dropped"],
    )
