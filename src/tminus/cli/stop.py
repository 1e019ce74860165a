"""`tminus stop`: ends everything that tminus runs of a service, for good."""

from collections.abc import Callable, Iterable

import click

from tminus.adapters.clock.system_clock import SystemClock
from tminus.adapters.supervisor.departures import Departure
from tminus.cli.person import by_option
from tminus.domain.launch import event as ev
from tminus.domain.launch.reading import SlotReading
from tminus.domain.problem import Problem, ProblemError
from tminus.engine.drive import fold_launch
from tminus.ports.fault import Unavailable
from tminus.ports.journal import Draft, LaunchRow
from tminus.wiring import Home, open_home, refuse_missing_home

STOP = "stop"
END_SLACK_MS = 15_000
"""Beside the grace of instances: a supervisor and a router end within moments, later on a busy machine."""

CLAIM_MS = 5_000
LOOK_EVERY_MS = 50


@click.command(STOP)
@click.argument("service")
@click.option("--environment", default="production", show_default=True, help="Where it runs.")
@click.option("--reason", "-m", default="", help="Recorded with the order.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@by_option
def command(service: str, environment: str, reason: str, by: str, *, yes: bool) -> int:
    """Stop SERVICE wholly: its router, both slots with their workers, and its supervisor.

    Nobody answers at its address afterwards, and nothing starts it again but a launch, which is then a first
    one. Adopted instances run on: tminus has not started them. Refused while a launch is open.

    Example: tminus stop shop --reason "moved to another machine"
    """
    home = open_home()
    refuse_missing_home(home)
    try:
        row = _last(home, service, environment)
        runs = _running(home, row)
        if not yes:
            what = f"{service} in {environment}: {runs} will be stopped, and nobody answers. Go on?"
            click.confirm(what, abort=True, err=True)
        at_ms = _record(home, row, by, reason)
        _end(home, row)
        departure = Departure(at_ms, by, row.launch, "", stopped=True)
        home.departures(service, environment).add(departure)
    finally:
        home.close()
    click.echo(f"{service} in {environment} is stopped; `tminus launch` starts it again")
    return 0


def _last(home: Home, service: str, environment: str) -> LaunchRow:
    rows = home.store.book.launches(service, environment)
    still = [row for row in rows if row.open]
    if still:
        raise ProblemError(
            Problem(
                "stop-launch-open",
                f"{still[-1].launch} is still open",
                f"{service} in {environment}",
                "a launch that runs would start what is being stopped",
                f"tminus abort {still[-1].launch}, then stop again",
            )
        )
    if not rows:
        raise ProblemError(_nothing(service, environment))
    return rows[-1]


def _running(home: Home, row: LaunchRow) -> str:
    """What runs, in a few words.

    Raises:
        ProblemError: `stop-nothing`.
        Unavailable: what is remembered cannot be read.
    """
    supervisor = home.supervisor(row.service, row.environment, revives=False)
    if not supervisor.running() and not supervisor.remembers():
        raise ProblemError(_nothing(row.service, row.environment))
    names = supervisor.programs() if supervisor.running() else {}
    return ", ".join(sorted(names)) or "what its supervisor kept"


def _nothing(service: str, environment: str) -> Problem:
    return Problem(
        "stop-nothing",
        f"tminus runs nothing of {service} in {environment}",
        service,
        "",
        "name the service and its --environment as `tminus log` shows them",
    )


def _record(home: Home, row: LaunchRow, by: str, reason: str) -> int:
    """Enters the order in the journal of the service's last launch, before anything is stopped; its time.

    Raises:
        PortFault: the journal does not take it.
    """
    store, now_ms = home.store, SystemClock().now_ms()
    lease = store.claims.claim(row.launch, f"{STOP} by {by}", now_ms, CLAIM_MS)
    if lease is None:
        raise Unavailable("launch-claimed", f"somebody holds {row.launch}: try again in some seconds")
    try:
        kind, version, body = ev.encode(ev.OrderTaken(f"{now_ms}-{STOP}", STOP, by, reason))
        head = store.journal.head(row.launch)
        draft = Draft(kind, version, now_ms, body)
        home.seal.seal(store.journal.append(row.launch, lease.epoch, head.seq, [draft]), now_ms)
    finally:
        store.claims.release(lease)
    return now_ms


def _end(home: Home, row: LaunchRow) -> None:
    """Stops the router first, so that no request is sent to what ends; each instance has its grace.

    Raises:
        ProblemError: `stop-unfinished`.
    """
    state, _ = fold_launch(home.store.journal, home.store.shelf, row.launch)
    until_ms = SystemClock().now_ms() + state.plan.run.stop_grace_ms + END_SLACK_MS
    runtime = home.runtime(row.service, row.environment)
    home.router(row.service, row.environment).unhost()
    for slot, reading in runtime.read_slots().items():
        if not reading.external:
            runtime.stop_slot(slot)
    _await(lambda: _alive(runtime.read_slots().values()), row, until_ms)
    supervisor = home.supervisor(row.service, row.environment)
    supervisor.shutdown()
    looking = home.supervisor(row.service, row.environment, revives=False)
    _await(lambda: f"its supervisor, pid {looking.running()}" if looking.running() else "", row, until_ms)


def _alive(slots: Iterable[SlotReading]) -> str:
    """Names of what still runs in slots that are not somebody else's."""
    own = [slot for slot in slots if not slot.external]
    instances = [each.name for slot in own for each in slot.instances if each.alive]
    return ", ".join([*instances, *(each.name for slot in own for each in slot.workers if each.alive)])


def _await(left: Callable[[], str], row: LaunchRow, until_ms: int) -> None:
    clock = SystemClock()
    while remains := left():
        if clock.now_ms() >= until_ms:
            raise ProblemError(
                Problem(
                    "stop-unfinished",
                    f"still running: {remains}",
                    f"{row.service} in {row.environment}",
                    "it was told to end and has not",
                    "run `tminus stop` again",
                )
            )
        clock.wait_ms(LOOK_EVERY_MS)
