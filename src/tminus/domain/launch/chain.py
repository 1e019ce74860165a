"""The hash chain of a launch's events: how it is computed, and how damage to it is found and named.

Must not read storage; it judges rows that somebody else has read, and believes nothing they say.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from typing import Protocol

from tminus.domain.canonical import canonical_bytes
from tminus.domain.problem import Problem

GENESIS = "sha256:" + "0" * 64
"""Previous hash of the first event of every launch."""

EDITED = "event-edited"
MISSING = "event-missing"
MOVED = "event-moved"
FOREIGN = "event-foreign"
REPLACED = "event-replaced"
CUT = "journal-cut"
REWRITTEN = "journal-rewritten"

_KEEP_EVIDENCE = "Stop the agent, keep a copy of the journal as evidence"


@dataclass(frozen=True, slots=True)
class Link:
    """An event as it stands in storage, believed in nothing.

    Attributes:
        launch, seq, kind, version, at_ms, epoch, prev, hash: the columns; a number that storage holds as
            anything but an integer is given as -1, which no hash fits.
        body: the stored text of the body.
    """

    launch: str
    seq: int
    kind: str
    version: int
    at_ms: int
    epoch: int
    body: str
    prev: str
    hash: str


class Witness(Protocol):
    """A head of the launch that is known from elsewhere: noted, printed or sealed."""

    @property
    def launch(self) -> str:
        """The launch."""
        ...

    @property
    def seq(self) -> int:
        """Sequence of its last event at that time."""
        ...

    @property
    def hash(self) -> str:
        """Hash of that event."""
        ...


@dataclass(frozen=True, slots=True)
class Finding:
    """One damage to the chain, over a run of events.

    Attributes:
        code: one of the constants of this module, kebab-case.
        launch: where.
        seq: first event concerned.
        until_seq: last event concerned; equal to `seq` for one.
        why: what was found, in one sentence.
        fix: what to do.
        shift: for MOVED, places between where the event was written and where it stands; else 0.
    """

    code: str
    launch: str
    seq: int
    until_seq: int
    why: str
    fix: str
    shift: int = 0

    def problem(self) -> Problem:
        """The finding as it is shown to an operator."""
        events = (
            f"event {self.seq}" if self.seq == self.until_seq else f"events {self.seq} to {self.until_seq}"
        )
        return Problem(
            self.code,
            f"the journal of launch {self.launch} was damaged",
            f"{self.launch}, {events}",
            self.why,
            self.fix,
        )


@lru_cache(maxsize=1024)  # launches and kinds repeat; more than this many in one process would only be slower
def _quoted(text: str) -> bytes:
    return canonical_bytes(text)


def event_hash(
    launch: str, seq: int, kind: str, version: int, at_ms: int, epoch: int, body: bytes, prev: str
) -> str:
    """`sha256:` and the SHA-256 of the canonical form of the object that has these eight keys.

    `body` is the canonical form of the body. The whole is put together from its parts, in the order of the
    keys, because that needs one pass over the body instead of two; a property test holds both equal.

    Raises:
        NotCanonicalError: `launch` or `kind` is not valid text.
    """
    content = b'{"at_ms":%d,"body":%b,"epoch":%d,"kind":%b,"launch":%b,"prev":"%b","seq":%d,"version":%d}' % (
        at_ms,
        body,
        epoch,
        _quoted(kind),
        _quoted(launch),
        prev.encode("utf-8", "surrogatepass"),
        seq,
        version,
    )
    return "sha256:" + sha256(content).hexdigest()


def link_hash(link: Link) -> str:
    """The hash that the columns of `link` should have."""
    body = link.body.encode("utf-8", "surrogatepass")
    return event_hash(link.launch, link.seq, link.kind, link.version, link.at_ms, link.epoch, body, link.prev)


def verify_records(links: Sequence[Link]) -> tuple[Finding, ...]:
    """What is wrong with the stored events of one launch, by themselves; nothing when the chain holds.

    Finds edited, missing, moved, replaced and foreign events. It cannot find that the newest events
    were cut off, or that all from some event on was written anew: `verify_witness` does.
    """
    ordered = sorted(links, key=lambda link: link.seq)
    written = _written_order(ordered)
    places = {id(link): place for place, link in written.items()}
    findings: list[Finding] = []
    previous: Link | None = None
    for link in ordered:
        findings.extend(_findings_at(previous, link, written, places, findings[-1] if findings else None))
        previous = link if link.seq > 0 else None
    return tuple(_runs(findings))


def verify_witness(links: Sequence[Link], witness: Witness) -> tuple[Finding, ...]:
    """What contradicts a head that is known from elsewhere; nothing when the journal continues it."""
    last_seq = max((link.seq for link in links), default=0)
    if witness.seq == 0:
        return ()
    if witness.seq > last_seq:
        return (
            Finding(
                CUT,
                witness.launch,
                last_seq + 1,
                witness.seq,
                f"The journal ends at event {last_seq}, but its head was witnessed at event {witness.seq}: "
                f"{witness.seq - last_seq} or more events were cut off.",
                f"{_KEEP_EVIDENCE}, and restore the newest backup that reaches event {witness.seq}.",
            ),
        )
    if any(link.seq == witness.seq and link.hash == witness.hash for link in links):
        return ()
    return (
        Finding(
            REWRITTEN,
            witness.launch,
            witness.seq,
            witness.seq,
            f"Event {witness.seq} is not the one that was witnessed: the journal was written anew from this "
            "event or an earlier one on.",
            f"{_KEEP_EVIDENCE}, restore a backup whose event {witness.seq} has hash {witness.hash}.",
        ),
    )


def _written_order(ordered: Sequence[Link]) -> dict[int, Link]:
    """Events by the place at which they were written: the chain followed from GENESIS by its hashes alone."""
    followers: dict[str, list[Link]] = {}
    for link in ordered:
        followers.setdefault(link.prev, []).append(link)
    written: dict[int, Link] = {}
    last_hash = GENESIS
    for place in range(1, len(ordered) + 1):
        candidates = followers.pop(last_hash, [])  # each is looked at once: a forged chain may be a circle
        if not candidates:
            break
        link = candidates[0]
        if len(candidates) > 1:  # then ours is the one whose hash fits this place and that others continue
            fitting = [one for one in candidates if link_hash(replace(one, seq=place)) == one.hash]
            link = next((one for one in fitting if one.hash in followers), (fitting or candidates)[0])
        written[place] = link
        last_hash = link.hash
    return written


def _findings_at(
    previous: Link | None,
    link: Link,
    written: dict[int, Link],
    places: dict[int, int],
    last: Finding | None,
) -> Iterator[Finding]:
    expected_seq = previous.seq + 1 if previous else 1
    if link.seq > expected_seq:
        yield _finding(
            MISSING,
            link,
            f"Before event {link.seq}, {link.seq - expected_seq} are missing, from event {expected_seq} on.",
            expected_seq,
            link.seq - 1,
        )
    place = places.get(id(link))
    if link_hash(link) != link.hash:
        if place is not None and place != link.seq and link_hash(replace(link, seq=place)) == link.hash:
            why = f"The event at place {link.seq} was written as event {place}."
            yield _finding(MOVED, link, why, shift=link.seq - place)
        else:
            yield _finding(EDITED, link, f"The content of event {link.seq} does not fit its hash.")
        return
    holder = written.get(link.seq)
    if holder is not link and (holder is not None or link.seq < expected_seq):
        yield _finding(
            FOREIGN, link, f"Another event was written as event {link.seq}; this one was put in later."
        )
        return
    # A break right after an event that is named already needs no second name.
    explained = last is not None and previous is not None and last.until_seq >= previous.seq
    continues = link.prev == (previous.hash if previous else GENESIS)
    if link.seq == expected_seq and not continues and not explained:
        yield _broken(previous, link)


def _broken(previous: Link | None, link: Link) -> Finding:
    if previous is None:
        return _finding(REPLACED, link, "Event 1 does not begin a chain: it claims a predecessor.")
    return _finding(
        REPLACED,
        previous,
        f"Event {link.seq} was written after another event {previous.seq} than the one that stands here: "
        f"event {previous.seq} was replaced, or event {link.seq} and what follows do not belong here.",
    )


def _finding(
    code: str, link: Link, why: str, seq: int | None = None, until_seq: int | None = None, *, shift: int = 0
) -> Finding:
    first = link.seq if seq is None else seq
    fix = (
        f"{_KEEP_EVIDENCE}, trust nothing from event {first} on, and restore the newest backup that verifies."
    )
    return Finding(code, link.launch, first, first if until_seq is None else until_seq, why, fix, shift)


def _runs(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Neighbouring findings of one kind as one: a shifted journal is one line, not ten thousand."""
    run: Finding | None = None
    for finding in findings:
        if run and (run.code, run.until_seq + 1, run.shift) == (finding.code, finding.seq, finding.shift):
            run = replace(run, until_seq=finding.until_seq, why=_run_why(run, finding))
            continue
        if run:
            yield run
        run = finding
    if run:
        yield run


def _run_why(run: Finding, finding: Finding) -> str:
    span = f"{run.seq} to {finding.until_seq}"
    if run.code == MOVED:
        where = "earlier" if run.shift > 0 else "later"
        return f"The events at places {span} were written {abs(run.shift)} {where}."
    if run.code == EDITED:
        return f"The contents of events {span} do not fit their hashes."
    return f"Events {span} do not belong where they stand."
