"""What the checks of a launch come to, for people: what blocks, whose it is, and what to do next."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tminus.domain.plan.checklist import Attested, Probed, Worked
from tminus.domain.plan.times import format_duration, format_relative
from tminus.domain.readiness.gate import ItemVerdict, Standing

MACHINE, WORK, PERSON = "machine", "work", "person"


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One check as it is shown.

    Attributes:
        item: its id.
        title: what must be so.
        section: of its checklist; may be empty.
        owner: role that answers for it.
        due_ms: relative to T-0.
        standing: its verdict.
        blocks: it keeps the gate shut.
        by: who answers: `machine`, `work` or `person`.
        why: one sentence.
        source: what or who was asked; empty where nobody was.
        asked_ms: when; None where nobody was.
        expires_ms: until when the answer counts.
        next: what to do about it; empty for nothing.
    """

    item: str
    title: str
    section: str
    owner: str
    due_ms: int
    standing: Standing
    blocks: bool
    by: str
    why: str
    source: str
    asked_ms: int | None
    expires_ms: int | None
    next: str


def check_rows(verdicts: Iterable[ItemVerdict], launch: str) -> tuple[CheckRow, ...]:
    """One row per verdict, in their order; `launch` is how verbs name the launch."""
    return tuple(_row(verdict, launch) for verdict in verdicts)


def _row(verdict: ItemVerdict, launch: str) -> CheckRow:
    item, proof = verdict.item, verdict.proof
    return CheckRow(
        item=item.item,
        title=item.title,
        section=item.section,
        owner=item.owner,
        due_ms=item.due_ms,
        standing=verdict.standing,
        blocks=verdict.blocks,
        by=answered_by(verdict),
        why=verdict.why,
        source="" if proof is None else proof.source,
        asked_ms=None if proof is None else proof.asked_ms,
        expires_ms=None if proof is None else proof.expires_ms,
        next="" if verdict.holds else _next(verdict, launch),
    )


def answered_by(verdict: ItemVerdict) -> str:
    """Who answers the item."""
    kinds = {Probed: MACHINE, Worked: WORK, Attested: PERSON}
    return kinds[type(verdict.item.asks)]


def _next(verdict: ItemVerdict, launch: str) -> str:
    item = verdict.item
    match item.asks:
        case Attested(says, file):
            attached = " --file FILE" if file else ""
            return f'{item.owner} states "{says}": tminus attest {launch} {item.item} --text TEXT{attached}'
        case Worked(jobs):
            return f"the launch does it by itself: {' and '.join(jobs)}"
        case Probed():
            again = f"it is asked again within {format_duration(item.asks.every_ms)}"
            return f"mend it, {again}; or tminus waive {launch} {item.item}"


def summary(verdicts: Iterable[ItemVerdict]) -> str:
    """`41 of 52 pass (36 by machines, 3 by the launch's work, 2 by people), 1 waived, 10 open`."""
    found = tuple(verdicts)
    standings = Counter(each.standing for each in found)
    passed = Counter(answered_by(each) for each in found if each.standing is Standing.PASS)
    ways = ((MACHINE, "by machines"), (WORK, "by the launch's work"), (PERSON, "by people"))
    told = ", ".join(f"{passed[kind]} {words}" for kind, words in ways if passed[kind])
    parts = [f"{standings[Standing.PASS]} of {len(found)} pass" + (f" ({told})" if told else "")]
    parts += [
        f"{standings[standing]} {standing.value}"
        for standing in (Standing.FAIL, Standing.INCONCLUSIVE, Standing.WAIVED, Standing.NOT_APPLICABLE)
        if standings[standing]
    ]
    return ", ".join(parts)


def row_lines(row: CheckRow) -> Iterator[str]:
    """A row for a terminal: verdict, item, owner and due time, then why and what to do."""
    mark = row.standing.value.upper() if row.blocks else row.standing.value
    yield f"  {mark:<13} {row.item:<36} {row.owner:<10} {format_relative(row.due_ms):<7} {row.title}"
    yield f"  {'':<13} {row.why}" + (f" ({row.source})" if row.source and not _is_person(row) else "")
    if row.next:
        yield f"  {'':<13} next: {row.next}"


def _is_person(row: CheckRow) -> bool:
    return row.by == PERSON and row.standing is not Standing.PASS
