"""What is voted on: one digest over everything that a GO is about. Must not know who votes.

Neither T-0 nor the times of evidence are part of it: a slip, and fresh evidence with the same verdict, leave
votes standing.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tminus.domain.canonical import digest_of
from tminus.domain.codec import to_json

Pairs = tuple[tuple[str, str], ...]

_SHOWN = 5  # of changed checks: more are counted


@dataclass(frozen=True, slots=True)
class Ballot:
    """What is voted on.

    Attributes:
        plan: digest of the plan without its T-0.
        artifacts: (name, digest) pairs, sorted.
        verdicts: (check, verdict) pairs, sorted.
        waivers: (check, digest of the waiver) pairs, sorted.
        coverage: digest of the requirement coverage; empty where none is measured.
        policy: digest of the policy.
    """

    plan: str
    artifacts: Pairs = ()
    verdicts: Pairs = ()
    waivers: Pairs = ()
    coverage: str = ""
    policy: str = ""

    @property
    def digest(self) -> str:
        """`sha256:…` of the canonical JSON of all parts."""
        return digest_of(to_json(self))


def pairs_of(entries: Mapping[str, str]) -> Pairs:
    """A mapping as sorted pairs."""
    return tuple(sorted(entries.items()))


def changes_between(before: Ballot, after: Ballot) -> tuple[str, ...]:
    """What differs, a sentence for each part; empty where nothing does."""
    return tuple(_changes(before, after))


def _changes(before: Ballot, after: Ballot) -> Iterator[str]:
    if before.plan != after.plan:
        yield "the plan was changed"
    if before.policy != after.policy:
        yield "the policy was changed"
    if before.coverage != after.coverage:
        yield "the coverage of requirements changed"
    for name, was, now in _different(before.artifacts, after.artifacts):
        yield f"the artifact {name!r} was {_short(was)} and is {_short(now)}"
    found = [
        f"{name} was {was or 'not asked'} and is {now or 'not asked'}"
        for name, was, now in _different(before.verdicts, after.verdicts)
    ]
    yield from found[:_SHOWN]
    if len(found) > _SHOWN:
        yield f"and {len(found) - _SHOWN} more checks changed"
    for name, was, now in _different(before.waivers, after.waivers):
        yield f"the waiver of {name} was {'changed' if was and now else 'given' if now else 'withdrawn'}"


def _different(before: Pairs, after: Pairs) -> Iterator[tuple[str, str, str]]:
    was, now = dict(before), dict(after)
    for name in sorted(was.keys() | now.keys()):
        if was.get(name) != now.get(name):
            yield name, was.get(name, ""), now.get(name, "")


def _short(digest: str) -> str:
    return digest[:19] or "none"
