"""The process of one job: `python -m tminus.adapters.jobs.runner DIRECTORY LOCK_FD`."""

import contextlib
import os
import signal
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from tminus.adapters.jobs.identity import identity_of, kill_marked
from tminus.adapters.jobs.record import JobRecord
from tminus.adapters.jobs.works import find_work
from tminus.domain.canonical import Json
from tminus.domain.problem import Problem, ProblemError

_LOOK_S = 0.1  # how often deadline, wish to stop and log sizes are looked at
_WHY_LIMIT = 4_000  # characters of an explanation: a screen, not a log


@dataclass(frozen=True, slots=True)
class _Outcome:
    phase: str
    result: Json = None
    code: str = ""
    why: str = ""


class _Run:
    """One attempt at one job: the work in a thread, watched from the main thread."""

    def __init__(self, record: JobRecord) -> None:
        self._record = record
        spec = record.read("spec.json") or {}
        self._name = cast("str", spec.get("work", ""))
        self._arguments = spec.get("arguments")
        self._works_module = cast("str | None", spec.get("works_module"))
        self._grace_s = cast("int", spec.get("stop_grace_ms", 0)) / 1000
        self._deadline_ms = cast("int", spec.get("deadline_ms", 0))
        self._ends_at = time.monotonic() + self._deadline_ms / 1000
        self._stop = threading.Event()
        self._outcome: _Outcome | None = None
        self._told = False

    def outcome(self) -> _Outcome:
        """Does the work; returns when it is done, or failed, or its time and grace are over."""
        signal.signal(signal.SIGTERM, self._note_signal)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        worker = threading.Thread(target=self._do, name=f"work {self._name}", daemon=True)
        worker.start()
        kill_at: float | None = None
        overdue = False
        while worker.is_alive() and (kill_at is None or time.monotonic() < kill_at):
            worker.join(_LOOK_S)
            self._record.bound_logs()
            overdue = overdue or (worker.is_alive() and time.monotonic() >= self._ends_at)
            # Whoever removed the job's directory wants nothing of it any more, and cannot say so there.
            gone = not self._record.directory.is_dir()
            if overdue or self._told or gone or self._record.has("stop.json"):
                self._stop.set()
            if self._stop.is_set() and kill_at is None:
                kill_at = time.monotonic() + self._grace_s
        return self._judge(overdue=overdue)

    def _note_signal(self, *_: object) -> None:
        # Only a flag: to set the event here could wait for its lock in the very thread that holds it.
        self._told = True

    def _judge(self, *, overdue: bool) -> _Outcome:
        ended = self._outcome
        if overdue:
            why = f"not done within its deadline of {self._deadline_ms} ms"
            return _Outcome("failed", ended.result if ended else None, "job-deadline", why)
        return ended or _Outcome("failed", None, "job-stopped", "told to stop, and killed after its grace")

    def _do(self) -> None:
        try:
            work = find_work(self._name, self._works_module)
            if work is None:
                self._outcome = _Outcome("failed", None, "no-such-work", f"no work is named {self._name!r}")
            else:
                self._outcome = _Outcome("done", work(self._arguments, self._record.directory, self._stop))
        except ProblemError as error:
            self._outcome = _Outcome("failed", None, error.problems[0].code, _why(error.problems))
        except BaseException as error:  # noqa: BLE001 - whatever a work does wrong is its job's failure
            traceback.print_exc()
            # The text of a foreign exception may quote a secret; its class cannot.
            why = f"{type(error).__name__}; the traceback is in stderr.log of {self._record.directory.name}"
            self._outcome = _Outcome("failed", None, "work-crashed", why)


def _why(problems: tuple[Problem, ...]) -> str:
    sentences = [part for problem in problems for part in (problem.what, problem.why, problem.fix) if part]
    text = "; ".join(sentences)
    return text if len(text) <= _WHY_LIMIT else f"{text[:_WHY_LIMIT]}…"


def main(directory: str, lock_descriptor: str) -> int:
    """Runs the job in `directory`; the inherited descriptor holds its lock until this process ends."""
    # Children must not keep the lock: it says that this process lives.
    os.set_inheritable(int(lock_descriptor), False)  # noqa: FBT003 - the library takes it by position
    record = JobRecord(Path(directory))
    identity = identity_of(os.getpid())
    if identity is not None:
        with contextlib.suppress(OSError):  # without it the job is still found by its mark
            record.write(
                "pid.json",
                {"pid": identity.pid, "start_ticks": identity.start_ticks, "boot_id": identity.boot_id},
            )
    outcome = _Run(record).outcome()
    try:
        record.write_outcome(outcome.phase, outcome.result, outcome.code, outcome.why)
    except OSError as error:
        print(f"outcome not stored: {error}", file=sys.stderr)  # noqa: T201 - stderr is the job's log
    # Nothing of the job outlives it; a stuck work thread must not keep this process either.
    kill_marked(record.mark, spare=os.getpid())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
