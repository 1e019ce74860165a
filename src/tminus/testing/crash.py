"""Kills its own process at a chosen point of a launch: `python -m tminus.testing.crash POINT PROGRAM ARGS…`.

PROGRAM is a module such as `tminus.cli.main`; its drivers get the real ports with a wrapper around them, so
that nothing but this entry point knows of it. A POINT is one of

    before:EVENT[=DETAIL]   nothing of the append that holds this kind of event has happened
    after:EVENT[=DETAIL]    the append has happened, and nobody has learnt of it
    amid:CALL               the call through a port has had half of its effect

DETAIL is a phase, the kind of a command, or the key of a job. `--fail CALL` has the first such call fail as
unavailable; `--claim-ms N` shortens the claim on the launch, so that a successor need not wait for it.
"""

import argparse
import functools
import os
import runpy
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn, cast

from tminus.adapters.database.book import SqlLaunchBook
from tminus.adapters.haproxy import console
from tminus.adapters.haproxy.launcher import Launcher
from tminus.adapters.haproxy.router import HaproxyRouter
from tminus.adapters.jobs.subprocess_jobs import SubprocessJobs
from tminus.adapters.supervisor.client import Supervisor
from tminus.engine.drive import Driver
from tminus.engine.ports import Ports
from tminus.ports.fault import Unavailable
from tminus.ports.journal import Draft, Head, Journal, LaunchRow, Lease

AMID: Mapping[str, tuple[object, str]] = {
    "host": (Launcher, "_spec"),  # the socket is held and the configuration written; nothing runs
    "start_slot": (Supervisor, "keep"),  # on record; not started
    "stop_slot": (Supervisor, "drop"),  # off the record; still running
    "admit_slot": (HaproxyRouter, "_command"),  # a restarted router would admit it; this one does not
    "expel_slot": (HaproxyRouter, "_command"),  # the other way round
    "cut_slot": (console, "_received"),  # told to cut; nobody waited for the answer
    "write_route": (console, "_received"),  # sent; nobody knows whether it is in force
    "commit_route": (HaproxyRouter, "_put_in_force"),  # on disk; not in force
    "start_job": (SubprocessJobs, "_spawn"),  # written down; without a process
    "stop_job": (SubprocessJobs, "_wish_end"),  # neither wished nor signalled
}
"""By call of a port: the step within it that the process does not live to make."""

_PATIENCE = {"cut_slot": 1, "write_route": 1}  # answers read before the one that counts


@dataclass(frozen=True, slots=True)
class Point:
    """Where to end. `when` is before, after or amid; `what` a kind of event or a call."""

    when: str
    what: str
    detail: str = ""

    @property
    def text(self) -> str:
        """As on the command line."""
        return f"{self.when}:{self.what}" + (f"={self.detail}" if self.detail else "")

    def holds(self, draft: Draft) -> bool:
        """Whether this event is meant."""
        return draft.kind == self.what and self.detail in ("", _detail(draft))


def parse_point(text: str) -> Point:
    """The point of a command line.

    Raises:
        ValueError: it is none.
    """
    when, _, rest = text.partition(":")
    what, _, detail = rest.partition("=")
    if when not in ("before", "after", "amid") or not what or (when == "amid" and what not in AMID):
        raise ValueError(f"{text!r} is no point: before:EVENT, after:EVENT or amid:CALL")
    return Point(when, what, detail)


def _detail(draft: Draft) -> str:
    """What tells events of one kind apart: the phase entered, the kind of the command, the key of the job."""
    body = cast("dict[str, Any]", draft.body)
    if "phase" in body and draft.kind == "phase-entered":
        return str(body["phase"])
    if draft.kind.startswith("command-"):
        return str(body["key"]).split(":")[1]
    return str(body.get("key", ""))


def die() -> NoReturn:
    """Ends this process as `kill -9` does: no handler runs, nothing is flushed."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("SIGKILL has not ended the process")


class CrashingJournal:
    """A journal whose caller dies before or after an append."""

    def __init__(self, journal: Journal, point: Point) -> None:
        """See the class."""
        self._journal = journal
        self._point = point

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any method of the journal
        """Everything else is the journal's."""
        return getattr(self._journal, name)

    def append(self, launch: str, epoch: int, after_seq: int, drafts: Sequence[Draft]) -> Head:
        """See `Journal`."""
        meant = any(self._point.holds(draft) for draft in drafts)
        if meant and self._point.when == "before":
            die()
        head = self._journal.append(launch, epoch, after_seq, drafts)
        if meant and self._point.when == "after":
            die()
        return head


class CrashingPort:
    """A port of which one call is told apart: it fails once, or the steps below it are fatal meanwhile."""

    def __init__(self, port: Any, call: str, failing: str, inside: list[str]) -> None:  # noqa: ANN401 - any port
        """`inside` holds the name of the call while it is made."""
        self._port = port
        self._call = call
        self._failing = failing
        self._inside = inside

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any method of the port
        """The port's method, or a wrapper around it."""
        method = getattr(self._port, name)
        if name == self._failing:
            return self._fail_once
        return functools.partial(self._make, method) if name == self._call else method

    def _make(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any call
        self._inside.append(self._call)
        try:
            return method(*args, **kwargs)
        finally:
            self._inside.clear()

    def _fail_once(self, *_: Any, **__: Any) -> NoReturn:  # noqa: ANN401 - any call
        self._failing = ""
        raise Unavailable("injected", "refused before any effect")


class ShortClaims:
    """Claims that lapse soon after their holder fell silent."""

    def __init__(self, claims: Any, claim_ms: int) -> None:  # noqa: ANN401 - any claims
        """See the class."""
        self._claims = claims
        self._claim_ms = claim_ms

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any method of the claims
        """Everything else is theirs."""
        return getattr(self._claims, name)

    def claim(self, launch: str, owner: str, now_ms: int, lease_ms: int) -> Lease | None:
        """See `Claims`."""
        found: Lease | None = self._claims.claim(launch, owner, now_ms, min(lease_ms, self._claim_ms))
        return found

    def renew(self, lease: Lease, now_ms: int, lease_ms: int) -> Lease | None:
        """See `Claims`."""
        found: Lease | None = self._claims.renew(lease, now_ms, min(lease_ms, self._claim_ms))
        return found


def crashing(ports: Ports, point: Point, failing: str = "", claim_ms: int = 5_000) -> Ports:
    """The ports, fatal at `point`."""
    inside: list[str] = []
    call = point.what if point.when == "amid" else ""
    if call:
        _make_fatal(call, inside)

    def wrapped(port: Any) -> Any:  # noqa: ANN401 - any port
        return CrashingPort(port, call, failing, inside)

    return replace(
        ports,
        journal=cast("Journal", CrashingJournal(ports.journal, point)),
        claims=cast("Any", ShortClaims(ports.claims, claim_ms)),
        router=wrapped(ports.router),
        runtime=wrapped(ports.runtime),
        jobs=wrapped(ports.jobs),
    )


def _make_fatal(call: str, inside: list[str]) -> None:
    owner, name = AMID[call]
    step = getattr(owner, name)
    patience = _PATIENCE.get(call, 0)
    seen = 0

    @functools.wraps(step)
    def fatal(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any step
        nonlocal seen
        if call in inside:
            seen += 1
            if seen > patience:
                die()
        return step(*args, **kwargs)

    setattr(owner, name, fatal)


def arm(point: Point, failing: str = "", claim_ms: int = 5_000) -> None:
    """Has every driver of this process, and whoever enters a launch in it, die at `point`."""
    make_driver = Driver.__init__
    enter = SqlLaunchBook.open_launch

    def init(self: Driver, ports: Ports, launch: str, owner: str) -> None:
        make_driver(self, crashing(ports, point, failing, claim_ms), launch, owner)

    def open_launch(self: SqlLaunchBook, row: LaunchRow, drafts: Sequence[Draft]) -> Head:
        meant = any(point.holds(draft) for draft in drafts)
        if meant and point.when == "before":
            die()
        head = enter(self, row, drafts)
        if meant and point.when == "after":
            die()
        return head

    Driver.__init__ = init  # type: ignore[method-assign]  # the only way in that no real code knows of
    SqlLaunchBook.open_launch = open_launch  # type: ignore[method-assign]  # as above


def main() -> None:
    """Arms the point, then runs the program as if it had been called."""
    parser = argparse.ArgumentParser(prog="python -m tminus.testing.crash", description=__doc__)
    parser.add_argument("--fail", default="", metavar="CALL")
    parser.add_argument("--claim-ms", type=int, default=5_000)
    parser.add_argument("point", type=parse_point)
    parser.add_argument("program")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    arm(given.point, given.fail, given.claim_ms)
    sys.argv = [given.program, *given.arguments]
    runpy.run_module(given.program, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
