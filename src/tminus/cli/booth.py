"""What verbs of the poll have in common: the launch, what is voted on, and how a statement gets there."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from tminus.adapters.clock.system_clock import SystemClock
from tminus.adapters.ssh.sign import SshKey
from tminus.cli.signer import find_signer
from tminus.domain.launch.polling import standing_now
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.times import format_utc
from tminus.domain.problem import Problem, ProblemError
from tminus.domain.readiness.ballot import Ballot, changes_between
from tminus.domain.readiness.policy import Policy
from tminus.domain.readiness.refusal import refusal_of
from tminus.domain.readiness.signing import VOTE
from tminus.domain.readiness.standing import Says, SeatStanding, Standing
from tminus.domain.readiness.statement import VOTE_NAMESPACE, Signed, Statement
from tminus.engine.drive import fold_launch
from tminus.ports.journal import LaunchRow
from tminus.wiring import Home

_SIGNS = {Says.GO: "GO", Says.NO_GO: "NO-GO", Says.VOID: "VOID", Says.NOTHING: "-"}
_SHOWN = 19  # `sha256:` and twelve digits


@dataclass(frozen=True, slots=True)
class Booth:
    """A launch whose seats are asked.

    Attributes:
        home: of the user.
        row: the launch.
        state: as the journal has it.
        policy: in force.
        standing: how the poll stands.
        now_ms: when that was looked at.
    """

    home: Home
    row: LaunchRow
    state: LaunchState
    policy: Policy
    standing: Standing
    now_ms: int

    def signer(self, key: Path | None) -> tuple[SshKey, str]:
        """Who signs; see `find_signer`."""
        return find_signer(self.policy, key)

    def give(self, said: Statement, signer: SshKey) -> int:
        """Signs a statement and brings it to the launch; 0 when it was taken.

        Raises:
            ProblemError: refused, here or by the driver.
            PortFault: the key cannot be used, or the journal does not answer.
        """
        from tminus.cli.orders import give_order

        public = signer.public
        refusal = refusal_of(self.state.poll, self.standing.ballot, said, public, SystemClock().now_ms())
        if refusal is not None:
            fix = f"tminus poll {self.row.launch}"
            raise ProblemError(Problem(refusal.code, refusal.why, self.row.launch, "", fix))
        signed = Signed(said, signer.sign(VOTE_NAMESPACE, said.content()))
        return give_order(self.home, self.row, VOTE, said.by, said.reason, signed.text())


def open_booth(home: Home, row: LaunchRow) -> Booth:
    """Looks at the poll of a launch.

    Raises:
        ProblemError: `poll-off`, or `poll-not-open`.
        PortFault: the journal cannot be read.
    """
    state, _ = fold_launch(home.store.journal, home.store.shelf, row.launch)
    now_ms = SystemClock().now_ms()
    policy, standing = state.poll.policy, standing_now(state, now_ms)
    if policy is None:
        fix = "give its plan a `poll`, and launch again"
        raise ProblemError(Problem("poll-off", "this launch is not polled", row.launch, "", fix))
    if standing is None:
        fix = f"tminus why {row.launch} says when it is there"
        raise ProblemError(
            Problem(
                "poll-not-open", "there is no artifact yet, and so nothing to vote on", row.launch, "", fix
            )
        )
    return Booth(home, row, state, policy, standing, now_ms)


def ballot_text(booth: Booth, person: str = "") -> str:
    """What is voted on, and what has changed since `person` voted the last time."""
    return "\n".join(_ballot(booth, person))


def _ballot(booth: Booth, person: str) -> Iterator[str]:
    ballot = booth.standing.ballot
    yield f"{booth.row.launch}: ballot {ballot.digest}"
    yield f"  {'plan':<12}{ballot.plan}"
    for name, digest in ballot.artifacts:
        yield f"  {name:<12}{digest}"
    yield f"  {'policy':<12}{ballot.policy}"
    yield f"  {'checks':<12}{_verdicts(ballot)}"
    for name, _ in ballot.waivers:
        yield f"  {'waived':<12}{name}"
    for change in _changes(booth, person):
        yield f"  {'changed':<12}{change}"


def _verdicts(ballot: Ballot) -> str:
    if not ballot.verdicts:
        return "none"
    verdicts = [verdict for _, verdict in ballot.verdicts]
    counts = [f"{verdicts.count(each)} {each}" for each in dict.fromkeys(sorted(verdicts))]
    bad = [f"{name} {verdict}" for name, verdict in ballot.verdicts if verdict in ("fail", "inconclusive")]
    return ", ".join(counts) + (f" ({', '.join(bad[:5])}{', …' if len(bad) > 5 else ''})" if bad else "")  # noqa: PLR2004 - enough to see which


def _changes(booth: Booth, person: str) -> tuple[str, ...]:
    mine = [each.statement for each in booth.state.poll.votes.values() if each.statement.by == person]
    last = max(mine, key=lambda said: said.at_ms, default=None)
    before = None if last is None else booth.state.poll.ballots.get(last.ballot)
    return () if before is None else changes_between(before, booth.standing.ballot)


def seats_text(booth: Booth) -> str:
    """One row per seat: what counts, who said it, until when, and why."""
    rows = [("SEAT", "SAYS", "WHO", "UNTIL", ""), *(_row(each) for each in booth.standing.seats)]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _row(each: SeatStanding) -> tuple[str, str, str, str, str]:
    says = _SIGNS[each.says]
    if each.says is Says.GO and each.choice is not None and each.choice.value != "go":
        says = "GO (conditions)"
    who = "machine" if each.seat.by_machine else each.by or each.seat.holder
    until = "" if each.expires_ms is None else format_utc(each.expires_ms)
    why = each.why if each.says is not Says.NOTHING or each.seat.by_machine else "has not voted"
    return each.seat.name, says, who, until, why


def confirm(question: str, *, yes: bool) -> None:
    """Asks, unless it was answered before.

    Raises:
        Abort: no.
    """
    if not yes:
        click.confirm(question, abort=True, err=True)
