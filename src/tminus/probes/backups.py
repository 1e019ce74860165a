"""The probe `backups`: there are enough, young enough, and one was restored. Must not take or restore one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tminus.adapters.postgres.stored import PostgresBackups
from tminus.adapters.report.told import moment, objects
from tminus.domain.plan.secret import SecretRef
from tminus.domain.plan.times import Millis, format_duration
from tminus.domain.readiness.answer import Answer, failed, passed
from tminus.domain.watch.answer_text import parse_answer
from tminus.ports.fault import Unavailable
from tminus.ports.probes import Around, ProbeKind, Target
from tminus.probes.amount import counted
from tminus.probes.command import run_in_repository, shown_command, why_not
from tminus.probes.guard import guarded

_NOT_LOOKED_AT = Millis(0)

SKEW_MS = 60_000
"""Clocks of two machines may differ by so much."""


@dataclass(frozen=True, slots=True)
class BackupsSettings:
    """What backups there must be.

    Attributes:
        oldest: how old the newest may be.
        least: so many must be kept.
        spacing: the longest time between two of the newest `least`; 0s looks at none.
        tested: how long ago the last restore test may be, which must have passed; 0s looks at none.
        command: prints what somebody else keeps, as JSON; empty for what tminus itself keeps.
        secret: a secret that the command finds in TMINUS_SECRET.
    """

    oldest: Millis
    least: int = 1
    spacing: Millis = _NOT_LOOKED_AT
    tested: Millis = _NOT_LOOKED_AT
    command: tuple[str, ...] = ()
    secret: SecretRef | None = None

    def __post_init__(self) -> None:
        """Refuses what no backup would satisfy or all would.

        Raises:
            ValueError: see its sentence.
        """
        if self.oldest <= 0 or self.least < 1:
            raise ValueError("oldest is longer than 0s, and least is at least 1")
        if self.spacing and self.least < 2:  # noqa: PLR2004 - a gap lies between two
            raise ValueError("spacing lies between two backups: write least: 2 or more")


@dataclass(frozen=True, slots=True)
class _Backup:
    """One of them; `tested_ms` is None before a restore test, `passed` what came of it."""

    taken_ms: int
    tested_ms: int | None = None
    passed: bool | None = None


def _source(settings: BackupsSettings, target: Target) -> str:
    if settings.command:
        return shown_command(settings.command)
    return f"backups of {target.service or 'the service'} that tminus keeps"


def _ask(settings: BackupsSettings, around: Around, limit_ms: int) -> Answer:
    found = _told(settings, around, limit_ms) if settings.command else _kept(around)
    ordered = sorted(found, key=lambda each: each.taken_ms, reverse=True)
    source, now_ms = _source(settings, around.target), around.now_ms()
    facts = {"count": len(ordered)}
    if not ordered:
        return failed("there is no backup", source, "", **facts)
    age_ms = now_ms - ordered[0].taken_ms
    if age_ms < -SKEW_MS:
        why = "the newest backup is of a time that is to come, so no age can be told"
        raise Unavailable("backups-unreadable", why)
    facts["age_ms"] = max(0, age_ms)
    gaps = [younger.taken_ms - older.taken_ms for younger, older in pairwise(ordered[: settings.least])]
    facts["spacing_ms"] = max(gaps, default=0)
    tests = [each for each in ordered if each.tested_ms is not None]
    last = max(tests, key=lambda each: each.tested_ms or 0, default=None)
    if last is not None and last.tested_ms is not None:
        facts["tested_ago_ms"] = max(0, now_ms - last.tested_ms)
    wrong = list(_wrong(settings, facts, last))
    if wrong:
        return failed("; ".join(wrong), source, "", **facts)
    tested = f", one restored {_shown(facts['tested_ago_ms'])} ago" if settings.tested else ""
    are = counted(len(ordered), "backup is kept", "backups are kept")
    return passed(f"{are}, the newest {_shown(facts['age_ms'])} old{tested}", source, "", **facts)


def _wrong(settings: BackupsSettings, facts: Mapping[str, int], last: _Backup | None) -> Iterator[str]:
    if facts["age_ms"] > settings.oldest:
        yield f"the newest backup is {_shown(facts['age_ms'])} old, limit {format_duration(settings.oldest)}"
    if facts["count"] < settings.least:
        are = counted(facts["count"], "backup is kept", "backups are kept")
        yield f"{are}, at least {settings.least} must be"
    if settings.spacing and facts["spacing_ms"] > settings.spacing:
        limit = format_duration(settings.spacing)
        yield f"{_shown(facts['spacing_ms'])} lie between two backups, limit {limit}"
    if not settings.tested:
        return
    if last is None:
        yield "none was ever restored"
    elif not last.passed:
        yield f"the last restore test, {_shown(facts['tested_ago_ms'])} ago, did not pass"
    elif facts["tested_ago_ms"] > settings.tested:
        limit = format_duration(settings.tested)
        yield f"the last restore test was {_shown(facts['tested_ago_ms'])} ago, limit {limit}"


def _kept(around: Around) -> Sequence[_Backup]:
    found = PostgresBackups().list_backups(around.backups)
    return [_Backup(each.taken_ms, each.tested_ms, each.passed) for each in found]


def _told(settings: BackupsSettings, around: Around, limit_ms: int) -> Sequence[_Backup]:
    ran = run_in_repository(settings.command, around, limit_ms, secret=settings.secret)
    why = why_not(ran, settings.command)
    if not why and ran.code:
        why = f"{settings.command[0]} ended with {ran.code}"
    if why:
        raise Unavailable("backups-unreadable", why)
    try:
        body = parse_answer(ran.output)
        if not isinstance(body, dict) or not isinstance(body.get("backups"), list):
            raise ValueError('it printed no {"backups": [{"taken": "2026-01-01T00:00:00Z"}]}')  # noqa: TRY301, TRY004 - told below
        return [_backup(each) for each in objects(body["backups"])]
    except ValueError as error:
        raise Unavailable("backups-unreadable", f"{settings.command[0]}: {error}") from error


def _backup(row: Mapping[str, Any]) -> _Backup:
    taken, tested = _exact(row.get("taken")), row.get("tested")
    if taken is None:
        raise ValueError("a backup has no time `taken` with its zone")
    if tested is None:
        return _Backup(taken)
    tested_ms, came = _exact(tested), row.get("passed")
    if tested_ms is None or not isinstance(came, bool):
        raise ValueError("a backup that was `tested` says when, and whether it `passed`")
    return _Backup(taken, tested_ms, came)


def _exact(value: Any) -> int | None:  # noqa: ANN401 - any JSON
    found = moment(value)
    return found[0] if found is not None and found[1] else None


def _shown(duration_ms: int) -> str:
    return format_duration(max(0, duration_ms) // 1000 * 1000)


BACKUPS = ProbeKind(BackupsSettings, guarded(_ask, _source))
"""See `BackupsSettings`."""
