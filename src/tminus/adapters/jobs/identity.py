"""Who a process is: pid, start time and boot, so that a recycled pid is never taken for a job."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MARK_VARIABLE = "TMINUS_JOB"  # every process of a job's tree inherits it; strays are found by it
_PROC = Path("/proc")
_BOOT_ID = _PROC / "sys/kernel/random/boot_id"
_START_FIELD = (
    19  # of the fields behind the command name in /proc/PID/stat, counted from 0; proc(5) starttime
)


@dataclass(frozen=True, slots=True)
class Identity:
    """One process of one boot.

    Attributes:
        pid: process id, also the id of its group.
        start_ticks: start time in clock ticks since boot, 0 where the system does not tell.
        boot_id: the kernel's name for this boot, empty where it has none.
    """

    pid: int
    start_ticks: int
    boot_id: str


def identity_of(pid: int) -> Identity | None:
    """The process with that pid now, None when there is none."""
    ticks = _start_ticks(pid)
    return None if ticks is None else Identity(pid, ticks, boot_id())


def boot_id() -> str:
    """The kernel's name for this boot, empty where it has none."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def age_ms(identity: Identity) -> int:
    """How long that process has run, by a clock that nobody sets."""
    started_s = identity.start_ticks / os.sysconf("SC_CLK_TCK")
    return int((time.clock_gettime(time.CLOCK_BOOTTIME) - started_s) * 1000)


def signal_group(identity: Identity, number: signal.Signals) -> bool:
    """Signals the group that `identity` leads; False, and no signal, when that process is gone."""
    if identity_of(identity.pid) != identity:
        return False
    try:
        os.killpg(identity.pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def kill_marked(mark: str, *, spare: int = 0) -> int:
    """Kills every process whose environment carries `mark`, but `spare`; returns how many there were.

    The mark finds members of a group whose leader is dead, and those that left the group, without
    trusting a group id that the kernel may have given to somebody else.
    """
    count = 0
    for pid in _marked(mark):
        if pid != spare:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
                count += 1
    return count


def _marked(mark: str) -> Iterator[int]:
    wanted = f"{MARK_VARIABLE}={mark}".encode()
    for entry in _PROC.glob("[0-9]*"):
        try:
            environment = (entry / "environ").read_bytes()
        except OSError:
            continue
        if wanted in environment.split(b"\0"):
            yield int(entry.name)


def _start_ticks(pid: int) -> int | None:
    try:
        stat = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    # The command name is in parentheses and may itself hold spaces and parentheses.
    fields = stat.rpartition(b")")[2].split()
    if fields[0] in (b"Z", b"X"):
        return None
    return int(fields[_START_FIELD])
