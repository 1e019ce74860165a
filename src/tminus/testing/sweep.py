"""The crash sweep: a launch killed at one point on the real parts and resumed, and what must hold then."""

import http.client
import itertools
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tminus.adapters.http.load_spec import LoadResult
from tminus.adapters.seal.verify import verify_launch
from tminus.domain.launch.entry import NOTE, Entry
from tminus.domain.launch.event import KINDS
from tminus.domain.launch.phase import BEFORE_TRAFFIC, TERMINAL, Phase
from tminus.domain.launch.slot import Slot
from tminus.domain.launch.state import LaunchState
from tminus.domain.readiness.verdict import Outcome
from tminus.testing.crash import AMID, Point, parse_point
from tminus.testing.stand import NotReachedError, Stand
from tminus.testing.sweep_deeds import CHECK_KINDS, CHECKS, answer_alarms, answer_checks, tell
from tminus.testing.swept_poll import POLL_KINDS, POLLED, assemble, vote_on
from tminus.testing.traffic import LOCAL, Load

CLAIM_MS = 1_200
"""The killed driver's claim lapses so soon, so that a point takes seconds."""

RATE_PER_S = 100
ENDED = ("promoted", "rolled-back", "scrubbed", "withdrawn")

QUICK: Mapping[str, Any] = {
    "shift": {"steps": [50, 100], "each": "100ms", "deadline": "15s"},
    "verify": {
        "for": "1s",
        "reading": "500ms",
        "targets": [{"error_rate": "0.1 %", "over": "1s", "min_requests": 5}],
    },
    "bake": {"for": "300ms", "reading": "250ms"},
    "watch": {"for": "200ms", "reading": "200ms"},
    "triggers": [
        {"error_rate": "1 %", "over": "1s", "min_requests": 5, "then": "rollback"},
        {"p95": "500ms", "over": "1s", "min_requests": 5, "then": "rollback"},
    ],
    # Long enough for a successor in mid-shift, so that going on is met as often as falling back.
    "lease": {"shift": "6s", "bake": "30s"},
}
LOOKED_AT = {
    "bake": {"for": "3s", "reading": "1s"},
    "watch": {"for": "12s", "stages": [{"look": "1s", "role": "team"}]},
}
WEIGHED = {"triggers": [{"error_rate": "5 %"}], "bake": {"for": "2s", "reading": "500ms"}}
"""A limit that a hundred clean requests prove to be kept."""

METERED = {"meter": {"get": "/healthz", "post": "/payments", "rate": "30/s"}}

Deed = Callable[[Stand, str], None]


def _nothing(stand: Stand, launch: str) -> None:
    del stand, launch


@dataclass(frozen=True, slots=True)
class Story:
    """A way that a launch goes.

    Attributes:
        name: shown beside its points.
        plan: laid over the quick one.
        before: done once the launch is entered and nobody drives it.
        during: done while the driver that will be killed is at it; may wait.
        fails: clients may see failures, since the release fails them or an instance is killed under them.
        failing: the call that fails once for the driver that will be killed.
    """

    name: str
    plan: Mapping[str, Any] = field(default_factory=dict)
    before: Deed = _nothing
    during: Deed = _nothing
    fails: bool = False
    failing: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """A story, and the point at which its driver is killed."""

    story: Story
    point: Point

    @property
    def name(self) -> str:
        """As in the report."""
        return f"{self.story.name} {self.point.text}"


@dataclass(frozen=True, slots=True)
class Finding:
    """How a case went. `wrong` is empty when it was safe."""

    case: Case
    outcome: str
    wrong: tuple[str, ...]


# What goes on beside the driver.


def _once_shifting(stand: Stand, launch: str) -> LaunchState:
    def shifting() -> bool:
        state = stand.state(launch)
        return state.phase not in BEFORE_TRAFFIC and (state.confirmed or state.phase in TERMINAL)

    stand.wait(shifting, "traffic on the candidate")
    return stand.state(launch)


def _ail(text: str) -> Deed:
    def during(stand: Stand, launch: str) -> None:
        state = _once_shifting(stand, launch)
        stand.sample.switch(state.plan.version).write_text(text, encoding="utf-8")

    return during


def _kill_instance(stand: Stand, launch: str) -> None:
    state = _once_shifting(stand, launch)
    for pid in list(stand.instances(state.candidate).values())[:1]:
        os.kill(pid, signal.SIGKILL)


def _scrub(stand: Stand, launch: str) -> None:
    stand.wait(lambda: stand.state(launch).slot_up, "a candidate that is up")
    stand.post(launch, "scrub")


def _orders(stand: Stand, launch: str) -> None:
    stand.post(launch, "resume")  # refused: nothing is held
    stand.post(launch, "slip", argument=str(stand.clock.now_ms() + 500))
    stand.post(launch, "hold", "resume")
    stand.post(launch, NOTE, argument=Entry("tickets", 3_000_000).text())


def _hang(stand: Stand, launch: str) -> None:
    """Requests that take longer than the drain may: what is left of them is cut."""
    stand.wait(lambda: stand.state(launch).slot_up, "a candidate that is up")

    def call() -> None:
        connection = http.client.HTTPConnection(LOCAL, stand.port, timeout=10)
        try:
            connection.request("GET", "/hang?s=8")
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            return  # to be cut is what it is for
        finally:
            connection.close()

    for _ in range(2):
        threading.Thread(target=call, daemon=True).start()


GOOD = Story("good")
METER = Story("metered", METERED)
DRAIN = Story("draining", {"drain": "1s"}, during=_hang)
HOST = Story("rehosted", {"routes": {"@": {"paths": ["/dashboard"]}}})
ORDERS = Story("ordered", {"metrics": {"tickets": {"person": "open tickets"}}}, before=_orders)
FAULT = Story("faulted", failing="admit_slot")
RESTART = Story("restarted", during=_kill_instance, fails=True)
BAD = Story("bad", {"bake": {"for": "4s", "reading": "1s"}}, during=_ail("errors=100"), fails=True)
LIMP = Story("limping", {"bake": {"for": "6s", "reading": "1s"}}, during=_ail("errors=4"), fails=True)
LOOKED = Story("looked at", LOOKED_AT, during=answer_alarms)
TOLD = Story("told", {"alertmanager": {"alerts": {"DiskFull": {}}}}, before=tell)
CHECKED = Story("checked", CHECKS, during=answer_checks)
EVIDENCE = Story("weighed", WEIGHED)
POLL = Story("polled", POLLED, during=vote_on)
SCRUB = Story("scrubbed", METERED, during=_scrub)

_BOTH = ("before", "after")
_COMMANDS = (
    "write-route",
    "commit-route",
    "start-slot",
    "stop-slot",
    "admit-slot",
    "expel-slot",
    "start-job",
)
_ALARMS = (
    "stage-entered",
    "look-missed",
    "alert-fired",
    "alert-acknowledged",
    "alert-resolved",
    "looked",
    "silence-placed",
    "silence-ended",
)
_ORDERED = (
    "order-taken=",
    "order-refused=",
    "hold-placed",
    "hold-released",
    "slipped",
    "step-late",
    "note-taken",
)
_GOOD = (
    "launch-planned",
    "driver-claimed",
    "slot-up",
    "step-taken",
    "route-confirmed",
    "verdict-reached",
    "reading-taken",
    "loss-measured",
    "promoted",
    "slot-retired",
    "launch-ended",
)
_PHASES = (Phase.STAGING, Phase.CUTOVER, Phase.VERIFYING, Phase.BAKING, Phase.PROMOTING, Phase.WATCHING)


def cases() -> list[Case]:
    """Every case of the sweep: each kind of event before and after its append, each effect half way."""
    good = [f"phase-entered={phase}" for phase in (*_PHASES, Phase.CLOSED)]
    good += [f"job-ended={key}" for key in ("build", "artifact-smoke", "smoke", "critical-paths")]
    good += _GOOD
    good += [f"command-intended={command}" for command in _COMMANDS]
    points: list[tuple[Story, str]] = [
        *((GOOD, f"{when}:{what}") for what in good for when in _BOTH),
        *((GOOD, f"before:command-performed={command}") for command in _COMMANDS),
        (GOOD, "after:command-performed=stop-slot"),
        *((GOOD, f"amid:{command.replace('-', '_')}") for command in _COMMANDS),
        *_told(METER, "stop-job", "job-ended=meter", "loss-measured", amid="stop_job"),
        *_told(DRAIN, "cut-slot", amid="cut_slot"),
        *_told(HOST, "host-router", amid="host"),
        *_told(ORDERS, "", *_ORDERED, amid=""),
        *_told(FAULT, "", "command-failed", amid=""),
        *_told(RESTART, "", "instance-restarted", amid=""),
        *_told(
            BAD,
            "stop-slot",
            "router-fell-back",
            "protected",
            f"phase-entered={Phase.ROLLED_BACK}",
            "route-confirmed",
            "launch-ended",
            "command-intended=expel-slot",
            amid="expel_slot",
        ),
        (BAD, "amid:stop_slot"),
        *_told(LIMP, "", "trigger-fired", f"phase-entered={Phase.ROLLING_BACK}", amid=""),
        *_told(LOOKED, "", *_ALARMS, amid=""),
        *_told(TOLD, "", "external-alert-changed", "external-source-changed", amid=""),
        *_told(CHECKED, "", *CHECK_KINDS, amid=""),
        *_told(POLL, "", "phase-entered=poll", *POLL_KINDS, amid=""),
        *_told(EVIDENCE, "", "terms-fixed", "evidence-weighed", amid=""),
        *_told(
            SCRUB, "stop-slot", f"phase-entered={Phase.SCRUBBING}", f"phase-entered={Phase.SCRUBBED}", amid=""
        ),
    ]
    found = [Case(story, parse_point(text)) for story, text in points]
    missing = set(KINDS) - {case.point.what for case in found}
    assert not missing, f"no point for {sorted(missing)}"
    assert {case.point.what for case in found if case.point.when == "amid"} == set(AMID)
    return found


def _told(story: Story, command: str, *kinds: str, amid: str) -> Iterator[tuple[Story, str]]:
    events = [f"command-intended={command}"] if command else []
    for what, when in itertools.product((*events, *kinds), _BOTH):
        yield story, f"{when}:{what.rstrip('=')}"
    if amid:
        yield story, f"amid:{amid}"


_numbers = itertools.count(2)


def try_case(stand: Stand, case: Case) -> Finding:
    """Runs the launch into the point, has a plain agent resume it, and looks at what is left."""
    version = f"1.1.{next(_numbers)}"
    plan = dict(case.story.plan)
    if "routes" in plan:
        # A class of another name each time: the router must be hosted anew.
        plan["routes"] = {f"class-{version.replace('.', '-')}": plan["routes"]["@"]}
    if "poll" in plan:
        assemble(stand)
    stand.sample.release(version, plan)
    with stand.load(RATE_PER_S, run=f"sweep-{version}") as load:
        try:
            launch = _into_the_point(stand, case)
            stand.start_agent()
            state = stand.wait_end(launch)
        except (NotReachedError, subprocess.TimeoutExpired) as error:
            return Finding(case, "none", (str(error),))
        finally:
            stand.end_agents()
        result = load.end()
        return Finding(case, state.outcome, tuple(_wrong(stand, case, launch, state, result, load)))


def _into_the_point(stand: Stand, case: Case) -> str:
    prefix = ["-m", "tminus.testing.crash", "--claim-ms", str(CLAIM_MS)]
    if case.story.failing:
        prefix += ["--fail", case.story.failing]
    prefix += [case.point.text, "tminus.cli.main"]
    if case.point.what == "launch-planned":
        return _killed_while_entering(stand, prefix, case.point)
    launch = stand.enter().launch
    case.story.before(stand, launch)
    driver = stand.start_agent(*prefix)
    beside = threading.Thread(target=_quietly, args=(case.story.during, stand, launch), daemon=True)
    beside.start()

    def over() -> bool:
        return driver.poll() is not None or stand.state(launch).phase in TERMINAL

    stand.wait(over, f"the point {case.point.text}")
    # An ended launch may still be closed: the points of its last append.
    stand.wait(lambda: driver.poll() is not None, f"the point {case.point.text}, before the launch ended", 5)
    if driver.returncode != -signal.SIGKILL:
        raise NotReachedError(f"the driver ended with {driver.returncode}\n{stand.agent_log()[-2_000:]}")
    return launch


def _quietly(during: Deed, stand: Stand, launch: str) -> None:
    try:
        during(stand, launch)
    except NotReachedError:
        return  # the driver died first, and the rest of the story is told without it


def _killed_while_entering(stand: Stand, prefix: list[str], point: Point) -> str:
    entering = stand.start("launch", "--plain", prefix=prefix)
    if entering.wait(30) != -signal.SIGKILL:
        raise NotReachedError(f"`tminus launch` ended with {entering.returncode}")
    opened = [row for row in stand.home.store.book.launches() if row.open]
    if (len(opened) == 1) is not (point.when == "after"):
        raise NotReachedError(f"{len(opened)} launches are open")
    return opened[0].launch if opened else stand.enter().launch


def _wrong(
    stand: Stand, case: Case, launch: str, state: LaunchState, result: LoadResult, load: Load
) -> Iterator[str]:
    """Everything that must hold once a launch has ended, and does not."""
    if state.outcome not in ENDED:
        yield f"it ended {state.outcome!r}"
    report = verify_launch(stand.home.store.raw, launch, stand.home.seal)
    if report.outcome is Outcome.FAIL:
        yield f"its journal does not verify: {report}"
    serving = state.candidate if state.outcome == "promoted" else state.stable
    yield from _wrong_traffic(stand, serving)
    yield from _wrong_processes(stand, serving)
    total = result.total
    # One kept connection per user may end with the instance that was killed under it.
    allowed = 20 if case.story is RESTART else 0
    if total.lost + total.cut > allowed or (total.failed and not case.story.fails):
        first = [(failure.why or failure.status, failure.kind) for failure in result.failures[:3]]
        yield f"{total.lost} lost, {total.cut} cut, {total.failed} failed of {total.sent}: {first}"
    if stand.sample.duplicates(load.run):
        yield "a POST reached the service twice"


def _wrong_traffic(stand: Stand, serving: Slot | None) -> Iterator[str]:
    reading = stand.reading()
    if reading.route.live is not serving or reading.route.candidate is not None:
        yield f"the router follows {reading.route.text()}, {serving} should serve"
    if reading.committed.live is not serving:
        yield f"{reading.committed.text()} is committed, {serving} should be"
    if reading.admitted != {serving}:
        yield f"{sorted(reading.admitted)} are admitted"
    connection = http.client.HTTPConnection(LOCAL, stand.port, timeout=5)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200 or answer.headers["X-Slot"] != serving:  # noqa: PLR2004 - OK
            yield f"a client gets {answer.status} from {answer.headers['X-Slot']}"
    finally:
        connection.close()


def _wrong_processes(stand: Stand, serving: Slot | None) -> Iterator[str]:
    for slot in Slot:
        running = len(stand.instances(slot))
        if bool(running) is not (slot is serving):
            yield f"{running} instances run on {slot}, and {serving} should serve"
    jobs = [said for said in stand.processes().values() if "jobs.runner" in said]
    if jobs:
        yield f"jobs still run: {jobs}"
