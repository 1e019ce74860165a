"""What `tminus verify` says of votes: every signature, against the policy of its time."""

import json
from collections.abc import Iterator, Sequence

from tminus.adapters.ssh.check import SshSignatures
from tminus.domain.launch.chain import Link
from tminus.domain.launch.event import Event, UnknownEventError, decode
from tminus.domain.launch.proof import Doubt, Proof, prove_votes
from tminus.domain.problem import Problem
from tminus.domain.readiness.poll import PollEvent
from tminus.ports.journal import RawRecords

POLL_KINDS = frozenset(each.kind for each in PollEvent.__args__)


def verify_votes(raw: RawRecords, launch: str) -> Proof:
    """Checks the votes of a launch in its stored events, whether their chain is whole or not.

    Raises:
        PortFault: the journal cannot be read.
    """
    links = sorted(raw.links(launch), key=lambda each: each.seq)
    try:
        return prove_votes(_entries(links), launch, SshSignatures().key_of)
    except (UnknownEventError, ValueError, AssertionError) as error:
        signed = sum(link.kind in POLL_KINDS for link in links)
        why = f"what people have signed cannot be told from such events: {error}"
        return Proof(0, (Doubt(links[0].seq, why),) if signed else ())


def _entries(links: Sequence[Link]) -> Iterator[tuple[Event, int, int]]:
    for link in links:
        yield decode(link.kind, link.version, json.loads(link.body)), link.at_ms, link.seq


def vote_rows(proof: Proof) -> Iterator[str]:
    """A line on what was checked, where anything was."""
    if proof.signatures or proof.doubts:
        held = "each holds" if not proof.doubts else f"{len(proof.doubts)} DO NOT HOLD"
        yield f"{'votes':<9} {proof.signatures} signatures, against the policy of their time: {held}"


def vote_problems(proof: Proof, launch: str) -> tuple[Problem, ...]:
    """Every doubt as it is shown to an operator."""
    return tuple(
        Problem(
            "vote-unproven",
            doubt.what,
            f"{launch}, event {doubt.seq}",
            "a signature is over exactly what was said, by a key of the policy of that time",
            "keep a copy of the journal, and ask whoever is named what they have signed",
        )
        for doubt in proof.doubts
    )
