"""The verbs that order a running launch: posted durably, told directly, watched until answered."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import click

from tminus.adapters.clock.system_clock import SystemClock, poke
from tminus.cli.direct import Told
from tminus.cli.person import by_option
from tminus.domain.canonical import canonical_bytes
from tminus.domain.codec import from_json
from tminus.domain.launch import event as ev
from tminus.domain.launch.phase import TERMINAL
from tminus.domain.launch.state import CONTRACT
from tminus.domain.plan.times import format_utc, parse_duration_ms, parse_utc_ms
from tminus.domain.problem import Problem, ProblemError
from tminus.engine.drive import fold_launch
from tminus.ports.fault import PortFault, Unavailable
from tminus.ports.journal import LaunchRow, Order
from tminus.wiring import Home, find_launch, open_home

ANSWER_LIMIT_MS = 15_000
"""How long an order waits to be taken: a driver ticks four times a second, a restarted one takes 5 s."""

LOOK_EVERY_MS = 50
"""How often the journal is asked for the answer; a look costs half a millisecond."""


def _order(verb: str, text: str, *, argument: str | None = None) -> click.Command:
    def run(launch: str | None, reason: str, by: str, to: str = "", *, yes: bool = True) -> int:
        home = open_home()
        try:
            told = click.get_current_context().find_object(Told)
            row = find_launch(home, launch) if told is None else _told_row(home, told)
            if not yes:
                click.confirm(f"{row.launch}: there is no way back after this. Go on?", abort=True, err=True)
            return give_order(home, row, verb, by, reason, _argument(verb, to), told)
        finally:
            home.close()

    callback: Callable[..., Any] = run
    command = click.command(verb, help=text)(callback)
    command.params = [
        click.Argument(["launch"], required=False),
        click.Option(["--reason", "-m"], default="", help="Recorded with the order."),
        click.Option(["--by"], **_by_parameters()),
    ]
    if verb == CONTRACT:
        command.params.append(click.Option(["--yes"], is_flag=True, help="Do not ask."))
    if argument is not None:
        command.params.insert(0, click.Option(["--to"], required=True, help=argument))
    return command


def _by_parameters() -> dict[str, Any]:
    option = by_option(lambda: None).__click_params__[0]  # type: ignore[attr-defined]  # set by click
    return {"default": option.default, "show_default": option.show_default, "help": option.help}


def _argument(verb: str, to: str) -> str:
    if verb != "slip":
        return ""
    try:
        if to.startswith("+"):
            return str(SystemClock().now_ms() + parse_duration_ms(to[1:]))
        return str(parse_utc_ms(to))
    except ValueError as error:
        raise ProblemError(
            Problem("bad-time", str(error), "--to", "", "write 2025-12-20T14:00Z, or +30m from now")
        ) from error


def _told_row(home: Home, told: Told) -> LaunchRow:
    """The launch whose driver was told."""
    rows = home.store.book.launches()
    return next(row for row in reversed(rows) if home.driver_socket(row.launch).name == told.socket)


def give_order(
    home: Home,
    row: LaunchRow,
    verb: str,
    by: str,
    reason: str,
    argument: str = "",
    told: Told | None = None,
) -> int:
    """Gives an order and waits for its answer; 0 when it was taken.

    Raises:
        ProblemError: refused, or nobody answers; what to do is said.
    """
    if not row.open and verb == "abort":
        click.echo(f"{row.launch} has ended; nothing runs that could be aborted")
        return 0
    clock = SystemClock()
    if told is None:
        order = Order(f"{clock.now_ms()}-{verb}-{by}", verb, by, reason, clock.now_ms(), argument)
        heard = poke(home.driver_socket(row.launch), canonical_bytes(asdict(order)))
    else:
        order, heard = from_json(Order, dict(told.order)), True
    try:
        home.store.inbox.post(row.launch, order)
    except Unavailable as fault:
        if not heard:
            raise
        # Its answer would stand in the journal; the driver acts without one.
        click.echo(f"told the driver directly; the journal takes nothing: {fault.why}", err=True)
        return 0
    if not heard and row.open:
        _drive_if_nobody_does(home, row)
    return _await_answer(home, row, order, clock)


def _drive_if_nobody_does(home: Home, row: LaunchRow) -> None:
    """Nobody listens: the order must not wait for an agent that may never come."""
    from tminus.cli.agent import spawn_agent

    spawn_agent(home)
    click.echo(f"nobody drives {row.launch}; started `tminus agent`", err=True)


def _await_answer(home: Home, row: LaunchRow, order: Order, clock: SystemClock) -> int:
    until_ms = clock.now_ms() + ANSWER_LIMIT_MS
    after_seq = 0
    while clock.now_ms() < until_ms:
        try:
            records = home.store.journal.read(row.launch, after_seq)
        except PortFault as fault:
            raise ProblemError(
                Problem(
                    fault.code, fault.why, row.launch, "the order was given", "look at the service itself"
                )
            ) from fault
        for record in records:
            after_seq = record.seq
            event = ev.decode(record.kind, record.version, record.body)
            if isinstance(event, ev.OrderTaken) and event.key == order.key:
                click.echo(f"{order.verb}: taken at {format_utc(record.at_ms)}")
                return 0
            if isinstance(event, ev.OrderRefused) and event.key == order.key:
                raise ProblemError(Problem(event.code, event.why, row.launch, "", f"tminus why {row.launch}"))
        if not row.open:
            state, _ = fold_launch(home.store.journal, home.store.shelf, row.launch)
            if state.phase in TERMINAL:
                raise ProblemError(_ended(row, state.phase.value))
        clock.wait_ms(LOOK_EVERY_MS)
    raise ProblemError(
        Problem(
            "order-unanswered",
            f"the order stands in the inbox and nobody has taken it within {ANSWER_LIMIT_MS // 1000} s",
            row.launch,
            "no driver answers",
            "run `tminus agent` and look at its output; the router protects traffic meanwhile",
        )
    )


def _ended(row: LaunchRow, phase: str) -> Problem:
    return Problem(
        "launch-ended",
        f"{row.launch} is {phase}",
        row.launch,
        "an ended launch takes no orders",
        "launch another version",
    )


hold = _order("hold", "Stop going forward; protection stays armed, and the hold expires as the plan says.")
resume = _order("resume", "Lift a hold.")
slip = _order("slip", "Move T-0.", argument="New T-0: 2025-12-20T14:00Z, or +30m from now.")
scrub = _order("scrub", "Cancel a launch before traffic has moved.")
abort = _order("abort", "Scrub or roll back, whichever is due; nothing happens where nothing runs.")
rollback = _order("rollback", "Move all traffic back to the stable slot, now.")
withdraw = _order("withdraw", "Take back a first launch: nothing serves afterwards.")
contract = _order("contract", "Run the contract migration: after it, the earlier version cannot come back.")

__all__ = ["abort", "contract", "give_order", "hold", "resume", "rollback", "scrub", "slip", "withdraw"]
