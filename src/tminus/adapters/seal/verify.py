"""The whole verification of a launch: its chain, and what others know of its head. Must not repair."""

from collections.abc import Sequence
from dataclasses import dataclass

from tminus.adapters.seal.head import HeadSeal, SealedHead
from tminus.domain.launch.chain import GENESIS, Finding, Link, Witness, verify_records, verify_witness
from tminus.domain.problem import Problem
from tminus.domain.readiness.verdict import Outcome
from tminus.ports.fault import Refused
from tminus.ports.journal import RawRecords


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found.

    Attributes:
        launch: that was verified.
        events: number of stored events.
        head_seq, head_hash: last stored event, to be noted as a witness for later.
        witnessed_seq: highest event that a witness vouches for; 0 when there was none.
        findings: damage, by sequence; several may have one cause.
        seal_problem: why the sealed head could not serve as a witness; None when it did or there is none.
    """

    launch: str
    events: int
    head_seq: int
    head_hash: str
    witnessed_seq: int
    findings: tuple[Finding, ...]
    seal_problem: Problem | None = None

    @property
    def outcome(self) -> Outcome:
        """Fail on damage; inconclusive without a witness, for what is cut off leaves no trace; else pass."""
        if self.findings or self.seal_problem:
            return Outcome.FAIL
        return Outcome.PASS if self.witnessed_seq else Outcome.INCONCLUSIVE

    def problems(self) -> tuple[Problem, ...]:
        """Every finding as it is shown to an operator."""
        found = tuple(finding.problem() for finding in self.findings)
        return (*found, self.seal_problem) if self.seal_problem else found


def verify_launch(
    raw: RawRecords, launch: str, seal: HeadSeal | None = None, witnesses: Sequence[Witness] = ()
) -> Verification:
    """Verifies the stored events of a launch against themselves, its sealed head and further witnesses.

    A sealed head whose signature does not fit is damage of its own and is not believed.

    Raises:
        Refused: `journal-corrupt`, the database itself cannot be read.
        Unavailable: the database or the sealed head cannot be read now.
    """
    # The head first: an agent that goes on sealing while this reads can then only make the journal longer.
    sealed, seal_problem = _sealed(seal, launch)
    links = raw.links(launch)
    believed: tuple[Witness, ...] = (sealed, *witnesses) if sealed else tuple(witnesses)
    findings = [*verify_records(links)]
    for witness in believed:
        findings.extend(finding for finding in verify_witness(links, witness) if finding not in findings)
    last = max(links, key=lambda link: link.seq, default=_nothing(launch))
    return Verification(
        launch,
        len(links),
        last.seq,
        last.hash,
        max((witness.seq for witness in believed), default=0),
        tuple(sorted(findings, key=lambda finding: finding.seq)),
        seal_problem,
    )


def _sealed(seal: HeadSeal | None, launch: str) -> tuple[SealedHead | None, Problem | None]:
    if seal is None:
        return None, None
    try:
        sealed = seal.sealed(launch)
        if sealed is not None:
            seal.check(sealed)
    except Refused as refusal:
        problem = Problem(
            refusal.code, f"the sealed head of launch {launch} is no witness", launch, refusal.why
        )
        return None, problem
    return sealed, None


def _nothing(launch: str) -> Link:
    return Link(launch, 0, "", 0, 0, 0, "", "", GENESIS)
