"""The command `tminus`: finds the verb, and turns what went wrong into text and an exit code."""

import importlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from tminus.cli.direct import tell_driver
from tminus.cli.style import HELP_OPTIONS
from tminus.domain.problem import Problem, ProblemError
from tminus.ports.fault import PortFault

VERBS: Mapping[str, tuple[str, str]] = {
    "init": ("plan", "Write a first launch.yaml for this repository."),
    "plan": ("plan", "Show what launch.yaml will do, and what it left to defaults."),
    "schema": ("plan", "Print the JSON Schema of launch.yaml."),
    "doctor": ("readiness", "Say what this machine lacks, and how to get it."),
    "backups": ("readiness", "Show a database's backups, their proof, and what is due."),
    "check": ("readiness", "Ask now whether a launch would be ready."),
    "ready": ("readiness", "Say what keeps a launch from going."),
    "attest": ("readiness", "State that a check holds."),
    "waive": ("readiness", "Go on without a check."),
    "na": ("readiness", "Say that a check does not apply."),
    "policy": ("readiness", "Check, sign and show who may vote."),
    "poll": ("readiness", "Show the go/no-go poll of a launch."),
    "vote": ("readiness", "Say go or no-go for a seat."),
    "override": ("readiness", "Let a launch go on without its seats; takes two."),
    "close-condition": ("readiness", "Say that a condition of a vote has come about."),
    "launch": ("launch", "Launch what launch.yaml describes."),
    "adopt": ("launch", "Take a running service behind the router as it is."),
    "hold": ("launch", "Stop going forward; protection stays armed."),
    "resume": ("launch", "Lift a hold."),
    "slip": ("launch", "Move T-0."),
    "scrub": ("launch", "Cancel before traffic has moved."),
    "abort": ("launch", "Scrub or roll back, whichever is due."),
    "rollback": ("launch", "Move all traffic back to the stable slot, now."),
    "withdraw": ("launch", "Take back a first launch."),
    "contract": ("launch", "Run the contract migration: the point of no return."),
    "why": ("launch", "Say what a launch waits for."),
    "agent": ("launch", "Drive launches for days."),
    "leave": ("launch", "Take tminus away and leave traffic flowing."),
    "stop": ("launch", "Stop a service wholly."),
    "watch": ("watch", "Show a launch's evidence as it grows."),
    "explain": ("watch", "Explain how a metric is judged."),
    "alerts": ("watch", "Show the alerts of a launch."),
    "acknowledge": ("watch", "Say that you take care of an alert."),
    "silence": ("watch", "Tell nobody about an alert for a while."),
    "look": ("watch", "Say that you have looked at the service."),
    "metrics": ("watch", "Print what Prometheus would read."),
    "export": ("watch", "Print rules, routes or a dashboard for Prometheus and its kin."),
    "note": ("watch", "Enter a metric's value by hand."),
    "log": ("report", "Show the deployment log."),
    "verify": ("report", "Check a launch's journal against its seal."),
}
"""Every verb: its chapter, in the order of the chapters, and what it does in a line."""

CHAPTERS = ("plan", "readiness", "launch", "watch", "report")

EXIT_PROBLEM = 1
"""What was asked for was refused or failed; the text says why and what to do."""

ORDERS = frozenset({"hold", "resume", "slip", "scrub", "abort", "rollback", "withdraw", "contract"})


class Verbs(click.Group):
    """Loads a verb when it is used, so that `tminus log` does not wait for what `tminus plan` needs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All verbs, in the order of the chapters."""
        del ctx
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb of that name."""
        del ctx
        if cmd_name not in VERBS:
            return None
        if cmd_name in ORDERS:
            return _attribute("orders", cmd_name)
        return _attribute(cmd_name.replace("-", "_"), "command")

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One list per chapter, without loading a verb."""
        del ctx
        for chapter in CHAPTERS:
            rows = [(name, text) for name, (own, text) in VERBS.items() if own == chapter]
            if rows:
                with formatter.section(chapter.capitalize()):
                    formatter.write_dl(rows)


def _attribute(module: str, name: str) -> click.Command:
    found: click.Command = getattr(importlib.import_module(f"tminus.cli.{module}"), name)
    return found


@click.command(cls=Verbs, context_settings=dict(HELP_OPTIONS))
@click.version_option(package_name="tminus")
def group() -> None:
    """Launch control for software releases.

    One file, launch.yaml, describes a launch; tminus carries it from its tag to the end of its watch.
    State is kept in $TMINUS_HOME, else in the user's state directory.
    """


def main(arguments: list[str] | None = None) -> None:
    """Runs a verb and exits: 0 done, 1 refused or failed, 2 wrong usage, others as the verb's help says."""
    try:
        told = tell_driver(sys.argv[1:] if arguments is None else arguments, os.environ, Path.cwd())
        result: Any = group.main(arguments, prog_name="tminus", standalone_mode=False, obj=told)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    except ProblemError as error:
        click.echo(str(error), err=True)
        sys.exit(EXIT_PROBLEM)
    except PortFault as fault:
        click.echo(problem_of(fault).text(), err=True)
        sys.exit(EXIT_PROBLEM)
    sys.exit(result if isinstance(result, int) else 0)


_FAULT_FIXES: Mapping[str, tuple[str, str]] = {
    "journal-corrupt": (
        "a journal that was changed proves nothing, so nothing is decided from it; traffic goes on flowing",
        "run `tminus verify` to see where, keep a copy, and restore the journal from a backup",
    ),
    "journal-full": (
        "no space is left where the journal lies; protection needs none and stays armed",
        "free some space; the launch goes on by itself",
    ),
    "journal-newer": ("a newer tminus has written it", "use that release of tminus"),
    "journal-missing": ("nothing was launched from this home", "run `tminus launch`, or set TMINUS_HOME"),
    "seal-backwards": (
        "the journal ends before the event that was sealed: events were lost",
        "run `tminus verify`, keep a copy, and restore the journal from a backup",
    ),
}


def problem_of(fault: PortFault) -> Problem:
    """A fault as it is shown to an operator."""
    why, fix = _FAULT_FIXES.get(fault.code, ("", "run `tminus doctor`, and try again"))
    return Problem(fault.code, fault.why, "", why, fix)


if __name__ == "__main__":
    main()
