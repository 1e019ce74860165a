"""Which process is meant: pid, start time and boot, so that a recycled pid is never signalled."""

import contextlib
import hashlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

MARKER = "TMINUS_SUPERVISED"  # environment variable that names a program's supervisor and the program


def marker_of(directory: Path) -> str:
    """What the marks of all programs of the supervisor in `directory` begin with."""
    return hashlib.sha256(os.fsencode(directory.resolve())).hexdigest()[:16] + ":"


@dataclass(frozen=True, slots=True)
class Identity:
    """A process that leads its own session and group.

    Attributes:
        pid: its number, and that of its group.
        start: clock ticks between boot and its start (field 22 of its stat file).
        boot: identifier of the boot it belongs to.
    """

    pid: int
    start: int
    boot: str


@dataclass(frozen=True, slots=True)
class _Stat:
    state: str
    group: int
    session: int
    start: int


@cache
def boot_id() -> str:
    """Identifier of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def identify(pid: int) -> Identity | None:
    """The process that has `pid` now, or its remains until somebody has waited for them; else None."""
    stat = _stat(pid)
    return Identity(pid, stat.start, boot_id()) if stat else None


def alive(identity: Identity) -> bool:
    """Whether that very process still runs; a zombie does not."""
    stat = _stat(identity.pid)
    return bool(
        stat and stat.state not in "ZX" and stat.start == identity.start and identity.boot == boot_id()
    )


def group_alive(identity: Identity) -> bool:
    """Whether any process of its group still runs, the leader gone or not."""
    if alive(identity):
        return True
    if _recycled(identity):
        return False
    try:
        os.killpg(identity.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    # Zombies count as members to the kernel, and not every init reaps them.
    return any(stat.group == identity.pid and stat.state not in "ZX" for _, stat in _all())


def signal_group(identity: Identity, number: signal.Signals) -> None:
    """Signals the whole group, unless the number has come to mean somebody else."""
    if not _recycled(identity):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(identity.pid, number)


def marked(prefix: str) -> dict[str, list[Identity]]:
    """Running session leaders whose marker starts with `prefix`, by the rest of it, oldest first."""
    found: dict[str, list[Identity]] = {}
    wanted = f"{MARKER}={prefix}".encode()
    for pid, stat in _all():
        if stat.session != pid or stat.state in "ZX":
            continue
        with contextlib.suppress(OSError):
            for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                if entry.startswith(wanted):
                    name = entry[len(wanted) :].decode(errors="replace")
                    found.setdefault(name, []).append(Identity(pid, stat.start, boot_id()))
    for identities in found.values():
        identities.sort(key=lambda identity: identity.start)
    return found


def _recycled(identity: Identity) -> bool:
    # The kernel gives no number away that a group still uses. So if somebody else has it, the group is gone.
    stat = _stat(identity.pid)
    return identity.boot != boot_id() or (stat is not None and stat.start != identity.start)


def _stat(pid: int) -> _Stat | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The command stands in parentheses and may hold any character, so fields are counted after the last one.
    fields = text.rpartition(")")[2].split()
    return _Stat(state=fields[0], group=int(fields[2]), session=int(fields[3]), start=int(fields[19]))


def _all() -> Iterator[tuple[int, _Stat]]:
    for entry in os.listdir("/proc"):  # noqa: PTH208 - names alone, and /proc is read while it changes
        if entry.isdigit() and (stat := _stat(int(entry))):
            yield int(entry), stat
