"""`tminus leave`: takes tminus away from a service and leaves its traffic flowing."""

import os
import shutil
from pathlib import Path

import click

from tminus.adapters.clock.system_clock import SystemClock
from tminus.adapters.haproxy.standalone import write_standalone
from tminus.adapters.supervisor.client import Supervisor
from tminus.adapters.supervisor.departures import Departure
from tminus.cli.person import by_option
from tminus.domain.launch.reading import InstanceReading
from tminus.domain.launch.route import Route
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.plan import Plan
from tminus.domain.plan.router import RouterName
from tminus.domain.problem import Problem, ProblemError
from tminus.engine.hosting import hosting_for
from tminus.engine.leave import (
    CONFIG,
    README,
    Remaining,
    Remains,
    back_command,
    nothing_left,
    readme_text,
    serving_launch,
    unit_text,
)
from tminus.wiring import Home, find_launch, open_home

ROUTER = "router"
END_LIMIT_MS = 5_000
"""A supervisor ends within milliseconds; on a busy machine it may have to wait for its turn."""

LOOK_EVERY_MS = 20


@click.command("leave")
@click.argument("service", required=False)
@click.option(
    "--to",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for units, configuration and README; made when missing.  [default: SERVICE-left]",
)
@by_option
def command(service: str | None, directory: Path | None, by: str) -> int:
    """Take tminus away from SERVICE and leave its traffic flowing.

    Router and instances go on as they run; nobody starts them again until their units do. The folder gets a
    unit for each, a configuration of HAProxy that needs nothing of tminus, and a README with what runs where.
    Secrets are named there, and not written. Refused while a launch is open.

    Example: tminus leave shop --to shop-left
    """
    home = open_home()
    try:
        row = find_launch(home, service)
        store = home.store
        rows = store.book.launches(row.service, row.environment)
        left_ms = home.left_ms(row.service, row.environment)
        state = serving_launch(row.service, store.journal, store.shelf, rows, left_ms)
        target = (directory or Path(f"{row.service}-left")).absolute()
        remains = survey(home, state, target)
        write_remains(remains)
        supervisor = home.supervisor(row.service, row.environment)
        supervisor.leave()
        await_end(supervisor)
        departure = Departure(remains.at_ms, by, rows[-1].launch, str(target))
        home.departures(row.service, row.environment).add(departure)
    finally:
        home.close()
    click.echo(f"{row.service} runs on without tminus; what runs where stands in {target / README}")
    click.echo(f"to take it back, with another `listen`: {back_command(remains)}")
    return 0


def survey(home: Home, state: LaunchState, target: Path) -> Remains:
    """What runs of the service now.

    Raises:
        ProblemError: `leave-nothing`, `leave-unhealthy`, or `leave-router`.
        PortFault: the supervisor does not answer.
    """
    plan = state.plan
    if plan.router.name is not RouterName.HAPROXY:
        raise ProblemError(_no_standalone(plan))
    supervisor = home.supervisor(plan.service, plan.environment)
    if not supervisor.running():
        raise ProblemError(nothing_left(plan.service))
    pids = {name: reading.pid for name, reading in supervisor.programs().items()}
    slot = home.runtime(plan.service, plan.environment).read_slots()[state.candidate]
    if not pids.get(ROUTER) or not slot.up:
        raise ProblemError(
            _unhealthy(plan.service, slot.healthy, slot.expected, router=bool(pids.get(ROUTER)))
        )
    # A container is kept by its engine, which goes on doing so: nobody else is needed to start it again.
    others = slot.external or plan.run.container is not None
    instances = () if others else slot.instances
    return Remains(
        plan=plan,
        slot=slot.slot,
        router=_router(state, target, pids[ROUTER]),
        instances=tuple(_instance(home, state, each, pids[each.name]) for each in instances),
        external=tuple(each.address for each in slot.instances) if others else (),
        directory=str(target),
        at_ms=SystemClock().now_ms(),
        system=os.geteuid() == 0,
    )


def write_remains(remains: Remains) -> None:
    """Writes units, configuration and README into a new or empty folder.

    Raises:
        ProblemError: `leave-not-empty`, or `leave-unwritable`.
        PortFault: the configuration is rejected, or the disk is full.
    """
    target = Path(remains.directory)
    try:
        target.mkdir(parents=True, exist_ok=True)
        if any(target.iterdir()):
            raise ProblemError(
                Problem(
                    "leave-not-empty",
                    f"{target} is not empty",
                    "--to",
                    "nothing is written over what is there",
                    "name another folder",
                )
            )
        for program in (remains.router, *remains.instances):
            text = unit_text(program, remains)
            (target / f"{program.name}.service").write_text(text, encoding="utf-8")
        (target / README).write_text(readme_text(remains), encoding="utf-8")
    except OSError as error:
        raise ProblemError(
            Problem("leave-unwritable", f"{target}: {error.strerror}", "--to", "", "name another folder")
        ) from error
    plan = remains.plan
    found = tuple(each.address for each in remains.instances) or remains.external
    write_standalone(target / CONFIG, hosting_for(plan, {remains.slot: found}), Route(remains.slot))


def await_end(supervisor: Supervisor) -> None:
    """Returns when no supervisor answers any more.

    Raises:
        ProblemError: `leave-supervisor-stays`.
    """
    clock = SystemClock()
    until_ms = clock.now_ms() + END_LIMIT_MS
    while supervisor.running():
        if clock.now_ms() >= until_ms:
            raise ProblemError(
                Problem(
                    "leave-supervisor-stays",
                    f"the supervisor still answers after {END_LIMIT_MS // 1000} s",
                    f"pid {supervisor.running()}",
                    "it was told to leave; a unit or another command may have started it again",
                    "stop its unit and whatever launches, then run `tminus leave` again with another folder",
                )
            )
        clock.wait_ms(LOOK_EVERY_MS)


def _router(state: LaunchState, target: Path, pid: int) -> Remaining:
    from tminus.adapters.haproxy.binary import find_binary

    plan = state.plan
    return Remaining(
        name=f"{plan.service}-router",
        what=f"the router of {plan.service}",
        pid=pid,
        argv=(str(find_binary().path), "-db", "-f", str(target / CONFIG)),
        directory=str(target),
        environment=(),
        address=f"{plan.listen.host}:{plan.listen.port}",
        stop_signal="SIGUSR1",  # finish what is in flight
        stop_grace_ms=plan.drain_deadline_ms,
    )


def _instance(home: Home, state: LaunchState, reading: InstanceReading, pid: int) -> Remaining:
    plan = state.plan
    port = reading.address.rpartition(":")[2]
    environment = {
        **home.instance_environment(),
        **dict(plan.run.environment),
        "TMINUS_SLOT": state.candidate.value,
        "TMINUS_VERSION": plan.version,
        "PORT": port,
    }
    argv = [word.replace("{port}", port) for word in plan.run.command]
    directory = home.root / "artifacts" / str(state.artifact).rpartition(":")[2]
    program = shutil.which(argv[0], path=environment.get("PATH")) if "/" not in argv[0] else None
    return Remaining(
        name=f"{plan.service}-{reading.name}",
        what=f"{plan.service} {plan.version}, instance {reading.name}",
        pid=pid,
        argv=(program or str(directory / argv[0]), *argv[1:]),
        directory=str(directory),
        environment=tuple(sorted(environment.items())),
        address=reading.address,
        stop_grace_ms=plan.run.stop_grace_ms,
    )


def _no_standalone(plan: Plan) -> Problem:
    return Problem(
        "leave-router",
        f"no configuration without tminus is written for {plan.router.name}",
        "launch.yaml: router",
        "only HAProxy's can be left behind as it is",
        f"let tminus serve on, or take {plan.service} over yourself and then run "
        f"`tminus stop {plan.service}`",
    )


def _unhealthy(service: str, healthy: int, expected: int, *, router: bool) -> Problem:
    what = f"{healthy} of {expected} instances are healthy" if router else "the router does not run"
    return Problem(
        "leave-unhealthy",
        what,
        service,
        "what is left must serve, since nobody mends it afterwards",
        "wait until the supervisor has started it again, or launch a version that works",
    )
