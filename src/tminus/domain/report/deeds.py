"""Commands and jobs as the log tells them: once, when the effect is known, however often they were tried."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tminus.domain.launch import command as cmd
from tminus.domain.launch import event as ev
from tminus.domain.launch.job import SUITES
from tminus.domain.launch.phase import ENDING, Phase
from tminus.domain.launch.reading import JobPhase
from tminus.domain.launch.state import LaunchState
from tminus.domain.report.details import details
from tminus.domain.report.log_line import Mark
from tminus.domain.report.said import Said

_BUILD, _SMOKE, _CRITICAL_PATHS, _METER = "build", "smoke", "critical-paths", "meter"
_COLD_METER = "meter-cold"


@dataclass(frozen=True, slots=True)
class _Deed:
    command: cmd.Command
    begun_ms: int
    attempts: int = 1


class Deeds:
    """Remembers what was begun; lives as long as one telling of a launch."""

    def __init__(self) -> None:
        self._open: dict[str, _Deed] = {}
        self._faults: set[tuple[str, str]] = set()

    def tell(self, state: LaunchState, event: ev.Event, at_ms: int) -> Iterator[Said]:
        """What the event says about commands and jobs; `state` is the one before it."""
        match event:
            case ev.CommandIntended():
                yield from self._begin(event, at_ms)
            case ev.CommandPerformed():
                yield from self._perform(state, event, at_ms)
            case ev.CommandFailed():
                yield from self._fail(state, event)
            case ev.JobEnded():
                yield from self._end_job(state, event, at_ms)
            case ev.SlotUp():
                text = f"{_starting(state)} ... {event.instances} of {state.plan.run.instances} up"
                yield Said(1, Mark.OK, text, self._since(cmd.StartSlot, at_ms))
            case ev.SlotRetired():
                took_ms = self._since(cmd.StopSlot, at_ms)
                yield Said(1, Mark.OK, f"Stopping {event.slot.value} ... retired", took_ms)
            case ev.PhaseEntered() if event.phase in ENDING:
                yield from self._give_up(state, at_ms)

    def _begin(self, event: ev.CommandIntended, at_ms: int) -> Iterator[Said]:
        before = self._open.get(event.key)
        if before is not None and before.command == event.command:
            self._open[event.key] = _Deed(event.command, before.begun_ms, before.attempts + 1)
            return
        self._open[event.key] = _Deed(event.command, at_ms)
        if isinstance(event.command, cmd.StopSlot):
            # A slot is only told to stop once nothing is in flight on it: this is where its drain ends.
            drained_ms = self._since(cmd.ExpelSlot, at_ms)
            if drained_ms is not None:
                yield Said(
                    1, Mark.OK, f"Draining {event.command.slot.value} ... 0 in flight, 0 routed", drained_ms
                )

    def _perform(self, state: LaunchState, event: ev.CommandPerformed, at_ms: int) -> Iterator[Said]:
        deed = self._open.get(event.key)
        if deed is None:
            return
        text = _performed_text(state, deed.command)
        if isinstance(deed.command, cmd.CutSlot):
            # A class that is cut ends nobody else's drain.
            drained_ms = self._since(cmd.ExpelSlot, at_ms, keep=bool(deed.command.route_class))
            yield Said(1, Mark.FAIL, f"Draining {deed.command.slot.value} ... {event.note}", drained_ms)
        elif text:
            again = f" ({deed.attempts} attempts)" if deed.attempts > 1 else ""
            yield Said(1, Mark.OK, f"{text}{again}", (at_ms - deed.begun_ms) or None)
        if text or isinstance(deed.command, cmd.CutSlot):
            del self._open[event.key]

    def _fail(self, state: LaunchState, event: ev.CommandFailed) -> Iterator[Said]:
        """The first failure of each sort is told; that the rest is tried again is said with it."""
        attempt = state.commands.get(event.key)
        if attempt is None or (event.key, event.code) in self._faults:
            return
        self._faults.add((event.key, event.code))
        then = "failed" if event.fault == "refused" else "failed, trying again"
        what = attempt.command.text()
        yield Said(1, Mark.FAIL, f"{what[:1].upper()}{what[1:]} ... {then}: {event.why} [{event.code}]")

    def _end_job(self, state: LaunchState, event: ev.JobEnded, at_ms: int) -> Iterator[Said]:
        took_ms = self._job_since(event.key, at_ms)
        what = _job(state, event.key)
        result = event.result if isinstance(event.result, dict) else {}
        if event.phase is JobPhase.LOST:
            yield Said(1, Mark.NOTE, f"{what} ... ended without an answer")
        elif event.phase is JobPhase.FAILED:
            yield Said(1, Mark.FAIL, f"{what} ... failed: {event.why} [{event.code}]", took_ms)
        elif "passed" in result or event.key in SUITES:
            passed = result.get("passed") is True
            mark, answer = (Mark.OK, "passed") if passed else (Mark.FAIL, "failed")
            yield Said(1, mark, f"{what} ... {answer}", took_ms)
            yield from _answers(result)
            yield from details(event.key, result)
        elif event.key not in _QUIET:
            yield Said(1, Mark.OK, f"{what} ... Done", took_ms)
            yield from details(event.key, result)

    def _give_up(self, state: LaunchState, at_ms: int) -> Iterator[Said]:
        for deed in self._open.values():
            if isinstance(deed.command, cmd.StartSlot) and not state.slot_up:
                yield Said(1, Mark.FAIL, f"{_starting(state)} ... not up", at_ms - deed.begun_ms)
            elif isinstance(deed.command, cmd.StartJob) and deed.command.key not in (*state.jobs, *_QUIET):
                yield Said(
                    1, Mark.NOTE, f"{_job(state, deed.command.key)} ... unfinished", at_ms - deed.begun_ms
                )
        self._open = {
            key: deed for key, deed in self._open.items() if not isinstance(deed.command, cmd.StartSlot)
        }

    def _since(self, command_type: type, at_ms: int, *, keep: bool = False) -> int | None:
        """Time since the newest open command of a type was intended; it is open no more, unless kept."""
        keys = [key for key, deed in self._open.items() if isinstance(deed.command, command_type)]
        if not keys:
            return None
        deed = self._open[keys[-1]] if keep else self._open.pop(keys[-1])
        return at_ms - deed.begun_ms

    def _job_since(self, job: str, at_ms: int) -> int | None:
        for key, deed in self._open.items():
            if isinstance(deed.command, cmd.StartJob) and deed.command.key == job:
                del self._open[key]
                return at_ms - deed.begun_ms
        return None


def _starting(state: LaunchState) -> str:
    count = state.plan.run.instances
    return "Starting 1 instance" if count == 1 else f"Starting {count} instances"


def _job(state: LaunchState, key: str) -> str:
    stable = "nothing" if state.stable is None else state.stable.value
    text = _JOBS.get(key.rstrip("-0123456789"), key.removeprefix("one-off-"))
    return text.format(tag=state.plan.source.tag, candidate=state.candidate.value, stable=stable)


def _performed_text(state: LaunchState, command: cmd.Command) -> str:
    """For commands that have done all they do when the call returns; empty for those whose effect is told."""
    match command:
        case cmd.HostRouter():
            return "Hosting the router ... Done"
        case cmd.AdmitSlot():
            return f"Adding {command.slot.value} to the router ... Done"
        case cmd.CommitRoute() if state.phase is Phase.STAGING:
            return f"Commit route: {command.route.text()} ... Done"
        case cmd.StopSlot() if state.phase is Phase.STAGING:
            return f"Stopping leftovers on {command.slot.value} ... Done"
        case cmd.StopSlot() if state.phase in ENDING:
            return f"Stopping {command.slot.value} ... Done"
        case cmd.StartJob(work="meter"):
            rate = state.plan.meter.rate_per_s
            return f"Starting the loss meter ... {rate} numbered requests a second"
        case _:
            return ""


_JOBS = {
    _BUILD: "Building {tag}",
    _SMOKE: "Smoke tests on {candidate}",
    _CRITICAL_PATHS: "Critical paths through the router",
    _METER: "Loss meter",
    _COLD_METER: "Loss meter of the rollback",
    "artifact-smoke": "Smoke tests on the artifact alone",
    "verify-artifact": "Verifying the artifact's digest again",
    "resources": "Final resource checks",
    "pull": "Pulling the image of {tag}",
    "backup": "Backing up the database",
    "restore-test": "Restoring the backup into a scratch database",
    "owed-contract": "Running the contract migration of the release before",
    "expand": "Running migrations (expand)",
    "smoke-stable": "Smoke tests on {stable}, on the expanded schema",
    "warm": "Warming caches",
    "measure": "Measuring",
    "check": "Asking the checks",
    "integrity": "Database integrity",
    "contract": "Running migrations (contract): no way back from here",
}

_QUIET = (_METER, _COLD_METER, "sampler", "measure", "check")
"""Jobs that run along and are told by what they found."""


def _answers(result: Mapping[str, Any]) -> Iterator[Said]:
    """One line per request; the slowest instance's time where all passed, one per instance that failed."""
    targets = [target for target in result.get("targets", [result]) if isinstance(target, dict)]
    names: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for target in targets:
        for answer in target.get("answers", []):
            names.setdefault(str(answer.get("name")), []).append((str(target.get("target")), answer))
    for name, answers in names.items():
        slowest_ms = max(int(answer.get("duration_ms", 0)) for _, answer in answers)
        failed = [(where, answer) for where, answer in answers if not answer.get("passed")]
        on = f" on {len(answers)} of {len(targets)}" if len(targets) > 1 else ""
        if not failed:
            yield Said(2, Mark.OK, f"{name} ... Pass{on}", slowest_ms)
        for where, answer in failed:
            at = f" at {where}" if where != "None" else ""
            text = f"{name}{at} ... Fail: {answer.get('why')}"
            yield Said(2, Mark.FAIL, text, int(answer.get("duration_ms", 0)))
