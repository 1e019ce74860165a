"""`tminus launch`: enters the launch, and drives it here where no agent does."""

import signal
import sys
from pathlib import Path
from types import FrameType

import click

from tminus.adapters.clock.system_clock import SystemClock, poke
from tminus.adapters.git.git_releases import GitReleases
from tminus.adapters.secrets.reference_secrets import ReferenceSecrets
from tminus.adapters.ssh.check import SshSignatures
from tminus.cli.agent import agent_runs, agent_socket
from tminus.cli.driving import Driving
from tminus.cli.exits import EXIT_CODES
from tminus.cli.follow import Follower
from tminus.cli.machine import port_is_free
from tminus.cli.person import by_option
from tminus.cli.routers import ROUTERS, beyond_router, load_fitting
from tminus.cli.view import choose_view
from tminus.domain.launch.phase import BEFORE_TRAFFIC, TRIAL
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.plan import Plan
from tminus.domain.problem import Problem, ProblemError
from tminus.domain.readiness.signing import PolicyOffer
from tminus.engine.drive import fold_launch
from tminus.engine.open import Request, open_launch, with_repository
from tminus.plan.load import LoadedPlan
from tminus.ports.fault import PortFault
from tminus.ports.journal import LaunchRow, Order
from tminus.wiring import Home, find_launch, open_home

EXIT_OPEN = 5
"""The launch goes on, or waits to be driven on, without this command."""


@click.command("launch")
@click.argument("file", type=click.Path(path_type=Path), default=Path("launch.yaml"))
@click.option("--resume", is_flag=True, help="Go on with the open launch of this plan instead of a new one.")
@click.option("--allow-dirty-tree", is_flag=True, help="Launch although uncommitted changes exist.")
@click.option("--plain", is_flag=True, help="Log lines only, no live view.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per event.")
@by_option
def command(file: Path, by: str, *, resume: bool, allow_dirty_tree: bool, plain: bool, as_json: bool) -> int:
    """Launch what FILE (launch.yaml) describes, and watch it.

    Where an agent runs, it drives the launch and this command looks on; else the launch is driven here.
    The first Ctrl-C aborts a launch whose candidate has traffic, and leaves any other as it is; the second
    leaves at once.

    Exit codes: 0 promoted, 1 refused, 3 rolled back or withdrawn, 4 scrubbed, 5 still open.
    """
    home = open_home()
    try:
        row = find_open(home, file) if resume else enter(home, file, by, allow_dirty_tree=allow_dirty_tree)
        return see_through(home, row, by, plain=plain, as_json=as_json)
    finally:
        home.close()


def enter(home: Home, file: Path, by: str, *, allow_dirty_tree: bool) -> LaunchRow:
    """Enters a new launch of the plan in `file`.

    Raises:
        ProblemError: everything that stands against it.
    """
    loaded = load_fitting(file)
    plan = with_repository(loaded.plan, loaded.directory)
    policy = policy_beside(loaded)
    return enter_plan(home, plan, loaded.digest, by, policy, allow_dirty_tree=allow_dirty_tree)


def policy_beside(loaded: LoadedPlan) -> PolicyOffer | None:
    """The policy that a plan names; None where it is not polled.

    Raises:
        ProblemError: what is wrong with the policy's files.
    """
    polling = loaded.plan.polling
    if polling is None:
        return None
    from tminus.plan.policy_chain import load_offer

    return load_offer(loaded.directory / polling.policy)


def enter_plan(
    home: Home,
    plan: Plan,
    digest: str,
    by: str,
    policy: PolicyOffer | None = None,
    *,
    allow_dirty_tree: bool = False,
) -> LaunchRow:
    """Enters a new launch of a plan whose repository is an absolute path, with the policy of its poll.

    Raises:
        ProblemError: everything that stands against it.
    """
    left_ms = home.left_ms(plan.service, plan.environment)
    stopped = home.stopped(plan.service, plan.environment)
    request = Request(plan, digest, by, SystemClock().now_ms(), allow_dirty_tree, left_ms, stopped, policy)
    problems = [*beyond_router(plan), *_port_problems(home, plan)]
    problems += _archive_problems(home, plan)
    if problems:
        raise ProblemError(*problems)
    store = home.store
    repository = Path(plan.source.repository)
    return open_launch(
        request,
        store.journal,
        store.shelf,
        store.book,
        GitReleases(repository, home.environment),
        ReferenceSecrets(home.environment, repository),
        SshSignatures(),
    )


def find_open(home: Home, file: Path) -> LaunchRow:
    """The open launch of the plan's service.

    Raises:
        ProblemError: `launch-not-found`, or `launch-ended`.
    """
    row = find_launch(home, None, file)
    if row.open:
        return row
    raise ProblemError(
        Problem(
            "launch-ended", f"{row.launch} has ended", row.service, "", "run `tminus launch` for a new one"
        )
    )


def see_through(home: Home, row: LaunchRow, by: str, *, plain: bool, as_json: bool) -> int:
    """Drives the launch here, or looks on while an agent does; the exit code tells how it ended."""
    view = choose_view(
        row.launch,
        plain=plain,
        as_json=as_json,
        stream=sys.stdout,
        samples=lambda since_ms: home.store.ring.samples(row.launch, since_ms),
    )
    follower = Follower(home, row, view)
    state: LaunchState | None
    with view:
        if agent_runs(home):
            poke(agent_socket(home))
            state = follower.until_ended()
        else:
            state = _drive(home, row, by, follower)
    if state is None or not state.outcome:
        click.echo(
            f"{row.launch} is still open; `tminus agent` or `tminus launch --resume` drives it on", err=True
        )
        return EXIT_OPEN
    return EXIT_CODES.get(state.outcome, 1)


def _drive(home: Home, row: LaunchRow, by: str, follower: Follower) -> LaunchState | None:
    interrupts = 0
    leaving = False

    def interrupted(number: int, frame: FrameType | None) -> None:
        nonlocal interrupts, leaving
        del number, frame
        interrupts += 1
        leaving = interrupts > 1 or not _on_trial(home, row)
        if not leaving:
            now_ms = SystemClock().now_ms()
            driving.order(Order(f"{now_ms}-ctrl-c", "abort", by, "interrupted at the terminal", now_ms))

    driving = Driving(home, row, follower.on_tick, follower.on_defect, lambda: leaving)
    before = {number: signal.signal(number, interrupted) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return driving.run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        follower.catch_up()


def _on_trial(home: Home, row: LaunchRow) -> bool:
    try:
        state, _ = fold_launch(home.store.journal, home.store.shelf, row.launch)
    except PortFault:
        return False
    return state.phase in TRIAL and state.phase not in BEFORE_TRAFFIC


def _archive_problems(home: Home, plan: Plan) -> list[Problem]:
    """Whether the log can be archived is found out before anything is begun that counts on it."""
    if plan.database is None or not plan.database.backups.archived:
        return []
    try:
        home.check_archiving(plan)
    except PortFault as fault:
        why = "`database.backups.rpo` is less than `every`, so base backups and the archived log are needed"
        fix = "provide it, or raise `rpo` to `every` for dumps alone"
        return [Problem(fault.code, fault.why, "launch.yaml: database.backups.rpo", why, fix)]
    return []


def _changed_router(home: Home, plan: Plan) -> list[Problem]:
    """A router that runs cannot be exchanged for another one under its clients."""
    serving = home.router_choice(plan.service, plan.environment).name
    if serving is plan.router.name:
        return []
    return [
        Problem(
            "router-differs",
            f"{serving} serves {plan.service}, and the plan wants {plan.router.name}",
            "launch.yaml: router",
            "its clients would be refused while one router takes the place of the other",
            f"write `router: {serving}`, or end the service with `tminus stop {plan.service}` first",
        )
    ]


def _port_problems(home: Home, plan: Plan) -> list[Problem]:
    """The public port must be free, unless it is this service's own router that holds it."""
    host, port = plan.listen.host, plan.listen.port
    if not ROUTERS[plan.router.name].hosted:
        return []
    if home.holds_port(plan.service, plan.environment):
        return _changed_router(home, plan)
    if port_is_free(host, port):
        return []
    return [
        Problem(
            "port-taken",
            f"somebody else listens on {host}:{port}",
            "launch.yaml: listen",
            "the router of this service needs that address",
            f"stop what listens there (ss -ltnp 'sport = :{port}' names it), or set another `listen`; "
            "to take a running service over, see `tminus adopt --help`",
        )
    ]
