"""The probe `command`: a program of the team answers. Must not know what it looks at."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tminus.domain.plan.secret import SecretRef
from tminus.domain.readiness.answer import Answer, failed, passed, unknown
from tminus.ports.probes import Around, ProbeKind, Target
from tminus.probes.amount import counted
from tminus.probes.guard import guarded
from tminus.probes.running import SECRET_VARIABLE, Ran, run_bounded

MOST_FACTS = 20
"""Whole numbers that are kept of what a command prints."""

_PASS, _FAIL = 0, 1
_LARGEST = 2**53  # beyond it JSON of others is not exact
_NAME_CHARS = 60
_WHY_CHARS = 300


@dataclass(frozen=True, slots=True)
class CommandSettings:
    """What to run.

    Attributes:
        command: a program with its arguments. It ends with 0 where what was asked for holds, with 1 where it
            does not, and with anything else where it could not tell.
        directory: where it runs, below the repository.
        environment: variables that it sees besides the few that every command does.
        secret: a secret that it finds in TMINUS_SECRET.
    """

    command: tuple[str, ...]
    directory: str = ""
    environment: tuple[tuple[str, str], ...] = ()
    secret: SecretRef | None = None

    def __post_init__(self) -> None:
        """Refuses what cannot be run.

        Raises:
            ValueError: see its sentence.
        """
        if not self.command or not self.command[0]:
            raise ValueError("the command is empty: write a program and its arguments")
        if SECRET_VARIABLE in dict(self.environment):
            raise ValueError(f"{SECRET_VARIABLE} is set by `secret`")
        check_below(self.directory)


def check_below(directory: str) -> None:
    """Returns where this is a folder of the repository.

    Raises:
        ValueError: it lies elsewhere.
    """
    path = Path(directory)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{directory!r} does not lie below the repository")


def run_in_repository(
    command: tuple[str, ...],
    around: Around,
    limit_ms: int,
    *,
    directory: str = "",
    environment: tuple[tuple[str, str], ...] = (),
    secret: SecretRef | None = None,
) -> Ran:
    """Runs a command of a plan with what it may see: the target as `TMINUS_…`, and its own secret.

    Raises:
        Refused: the secret is missing.
    """
    value = "" if secret is None else around.secret(secret)
    target = around.target
    told = {
        "TMINUS_SERVICE": target.service,
        "TMINUS_ENVIRONMENT": target.environment,
        "TMINUS_VERSION": target.version,
        "TMINUS_TAG": target.tag,
        "TMINUS_COMMIT": target.commit,
        "TMINUS_DIGEST": target.digest,
        "TMINUS_URL": target.url,
    }
    seen = {**around.environment, **told, **dict(environment)}
    if value:
        seen[SECRET_VARIABLE] = value
    return run_bounded(command, around.repository / directory, seen, limit_ms, [value] if value else [])


def shown_command(command: tuple[str, ...]) -> str:
    """A command as a person would repeat it, shortened."""
    return " ".join(command)[:200]


def why_not(ran: Ran, command: tuple[str, ...]) -> str:
    """Why a command that did not end by itself tells nothing; empty where it did."""
    if ran.ended == "deadline":
        return f"{command[0]} did not end within its time, {ran.took_ms} ms"
    if ran.ended == "unstartable":
        return ran.tail or f"{command[0]} cannot be run"
    return "" if ran.ended == "exited" else f"{command[0]} was ended: {ran.ended}"


def _source(settings: CommandSettings, target: Target) -> str:
    del target
    return shown_command(settings.command)


def _ask(settings: CommandSettings, around: Around, limit_ms: int) -> Answer:
    ran = run_in_repository(
        settings.command,
        around,
        limit_ms,
        directory=settings.directory,
        environment=settings.environment,
        secret=settings.secret,
    )
    source = _source(settings, around.target)
    excerpt = _printed(ran)
    stopped = why_not(ran, settings.command)
    if stopped:
        return unknown(stopped, source, excerpt)
    body = _object(ran)
    facts = {**_facts(body), "took_ms": ran.took_ms}
    said = body.get("why")
    why = " ".join(said.split())[:_WHY_CHARS] if isinstance(said, str) and said.strip() else ""
    if ran.code == _PASS:
        return passed(why or f"{settings.command[0]} ended with 0", source, excerpt, **facts)
    if ran.code == _FAIL:
        return failed(why or f"{settings.command[0]} ended with 1", source, excerpt, **facts)
    how = f"ended with {ran.code}" if ran.code > 0 else f"was ended by signal {-ran.code}"
    return unknown(f"{settings.command[0]} {how}{f': {why}' if why else ''}", source, excerpt, **facts)


def _printed(ran: Ran) -> str:
    text = ran.output.decode(errors="replace") or ran.tail
    shown = "".join(each if each.isprintable() or each == "\n" else " " for each in text[:10_000])
    aside = f"\n({counted(len(ran.output), 'byte')}, and more that is not kept)" if ran.cut else ""
    return shown.strip() + aside


def _object(ran: Ran) -> dict[str, Any]:
    try:
        body = json.loads(ran.output)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _facts(body: dict[str, Any]) -> dict[str, int]:
    whole = {
        name: value
        for name, value in body.items()
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST
    }
    named = sorted(name for name in whole if name.isidentifier() and len(name) <= _NAME_CHARS)
    return {name: whole[name] for name in named[:MOST_FACTS]}


COMMAND = ProbeKind(CommandSettings, guarded(_ask, _source))
"""See `CommandSettings`."""
