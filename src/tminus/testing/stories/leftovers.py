"""What must not be left once a launch has ended: processes, sessions, locks, databases, half files."""

import re
from collections.abc import Iterator
from pathlib import Path

from tminus.domain.launch.slot import Slot
from tminus.domain.launch.state import LaunchState
from tminus.testing.stand import ENVIRONMENT, NotReachedError, Stand
from tminus.testing.stories.stage import DATABASE, Stage

LIMIT_S = 60.0
"""Longest that what is under way takes to end: a session, or a backup by schedule on a busy machine."""

_DIGEST = re.compile(r"[0-9a-f]{64}")


def leftovers(stage: Stage, state: LaunchState) -> list[str]:
    """Everything that should not be there any more, as sentences; waits for what is on its way out."""
    serving = state.candidate if state.outcome == "promoted" else state.stable
    version = state.plan.version if state.outcome == "promoted" else state.stable_version
    assert serving is not None

    def found() -> list[str]:
        return [
            *stage.platform.strangers(stage.stand, serving),
            *_sessions(stage, f"paymentapp {version} {serving.value}"),
            *_files(stage),
        ]

    try:
        stage.stand.wait(lambda: not found(), "nothing left over", LIMIT_S)
    except NotReachedError:
        return found()
    return []


def strange_processes(stand: Stand, serving: Slot) -> list[str]:
    """Processes of the stand that no program of its supervisor explains, and programs of the other slot."""
    supervisor = stand.home.supervisor(stand.service, ENVIRONMENT)
    programs = supervisor.programs()
    wrong = [f"{name} still runs" for name in programs if name.startswith(f"{serving.other.value}-")]
    known = {supervisor.running(), *(found.pid for found in programs.values())}
    processes = stand.processes()
    for pid, said in processes.items():
        if not known.intersection(_with_ancestors(pid)):
            wrong.append(f"process {pid} is left: {said}")
    return wrong


def _with_ancestors(pid: int) -> Iterator[int]:
    while pid > 1:
        yield pid
        try:
            status = Path(f"/proc/{pid}/stat").read_bytes()
        except OSError:
            return
        pid = int(status.rpartition(b")")[2].split()[1])


def _sessions(stage: Stage, own: str) -> Iterator[str]:
    """Sessions on the service's database that are not the stable release's, locks that outlive their use."""
    query = "SELECT pid, application_name, state FROM pg_stat_activity WHERE datname = "
    for pid, name, state in stage.rows(f"{query}'{DATABASE}'"):
        if not name.startswith(own):
            yield f"session {pid} is left: {name!r}, {state}"
    for (pid,) in stage.rows("SELECT pid FROM pg_locks WHERE locktype = 'advisory'"):
        yield f"session {pid} holds an advisory lock"
    for (name,) in stage.rows("SELECT datname FROM pg_database WHERE starts_with(datname, 'tminus_')"):
        yield f"scratch database {name} is left"


def _files(stage: Stage) -> Iterator[str]:
    root = stage.stand.home.root
    for path in (root / "artifacts").iterdir():
        if path.is_dir() and path.name != "index" and not _DIGEST.fullmatch(path.name):
            yield f"{path.name} is left among the artifacts"
    for path in (root / "backups").rglob("*.tmp"):
        yield f"{path.name} is left among the backups"
    for path in (root / "drivers").glob("*.sock"):
        yield f"{path.name} is left among the drivers"
    for path in Path(stage.stand.home.environment["TMPDIR"]).iterdir():
        yield f"{path.name} is left in the folder for temporary files"
