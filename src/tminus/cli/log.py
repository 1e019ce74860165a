"""`tminus log`: the deployment log of a launch, so far or until it ends."""

import os
import sys
from collections.abc import Callable
from functools import partial

import click

from tminus.cli.exits import EXIT_CODES
from tminus.cli.view import JsonView, View, plain_view
from tminus.domain.launch.event import LaunchEnded, UnknownEventError
from tminus.domain.problem import Problem, ProblemError
from tminus.ports.fault import Unavailable
from tminus.ports.journal import Journal

LOOK_EVERY_MS = 500
"""How often the journal is read while following: as fast as reading along needs."""


@click.command("log")
@click.argument("launch", required=False)
@click.option("--follow", "-f", is_flag=True, help="Go on until the launch has ended.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per event, for machines.")
def command(launch: str | None, *, follow: bool, as_json: bool) -> int:
    """Show the deployment log of LAUNCH: an id, a service, or the newest launch of ./launch.yaml.

    Nothing is changed. Times are UTC.

    Exit codes: 0 shown; with --follow 0 promoted, 3 rolled back or withdrawn, 4 scrubbed. 1 there is no
    such launch, or its journal cannot be read.
    """
    from tminus.adapters.clock.system_clock import SystemClock
    from tminus.wiring import find_launch, open_home, refuse_missing_home

    home = open_home()
    refuse_missing_home(home)
    try:
        row = find_launch(home, launch)
        view: View = JsonView(sys.stdout) if as_json else plain_view(sys.stdout, os.environ)
        if not follow:
            show(home.store.journal, row.launch, view)
            return 0
        wait = partial(SystemClock().wait_ms, LOOK_EVERY_MS)
        return EXIT_CODES.get(follow_to_end(home.store.journal, row.launch, view, wait), 1)
    finally:
        home.close()


def show(journal: Journal, launch: str, view: View, after_seq: int = 0) -> tuple[int, str]:
    """Shows what was journalled after `after_seq`; the new last event, and the outcome once there is one.

    Raises:
        ProblemError: `event-unknown`, a later release wrote an event that this one does not understand.
        PortFault: the journal cannot be read, or is damaged.
    """
    records = journal.read(launch, after_seq)
    try:
        view.update(None, records)
    except UnknownEventError as error:
        raise ProblemError(
            Problem(
                "event-unknown",
                f"the journal of launch {launch} holds an event that this release does not understand",
                launch,
                str(error),
                "use the release of tminus that drives the launch, or `tminus log --json`",
            )
        ) from error
    if not records:
        return after_seq, ""
    # A launch that has ended may still be followed by the order that stops its service.
    bodies = [record.body for record in records if record.kind == LaunchEnded.kind]
    outcomes = [str(body["outcome"]) for body in bodies if isinstance(body, dict)]
    return records[-1].seq, outcomes[-1] if outcomes else ""


def follow_to_end(journal: Journal, launch: str, view: View, wait: Callable[[], None]) -> str:
    """Shows the log as it grows, and returns the launch's outcome. A journal that is busy is asked again.

    Raises:
        ProblemError: as `show`.
        Refused: the journal is damaged.
    """
    seq, outcome = 0, ""
    with view:
        while True:
            try:
                seq, outcome = show(journal, launch, view, seq)
            except Unavailable:
                outcome = ""
            if outcome:
                return outcome
            wait()
