"""`tminus verify`: whether a launch's journal is whole, and what that is known from."""

from collections.abc import Iterator

import click

from tminus.adapters.seal.head import HeadSeal
from tminus.adapters.seal.verify import Verification, verify_launch
from tminus.cli.verify_votes import verify_votes, vote_problems, vote_rows
from tminus.domain.launch.proof import Proof
from tminus.domain.readiness.verdict import Outcome
from tminus.ports.journal import Head, RawRecords

EXIT_CODES = {Outcome.PASS: 0, Outcome.FAIL: 1, Outcome.INCONCLUSIVE: 3}


_HASH_DIGITS = 64

NOTHING_SIGNED = Proof(0, ())


def parse_head(
    ctx: click.Context | None, param: click.Parameter | None, value: str | None
) -> tuple[int, str] | None:
    """The sequence and hash in `69:sha256:0f3a…`, as this verb prints them.

    Raises:
        BadParameter: the text is something else.
    """
    if value is None:
        return None
    number, _, noted = value.partition(":")
    digits = noted.removeprefix("sha256:")
    is_hash = len(digits) == _HASH_DIGITS and set(digits) <= set("0123456789abcdef")
    if not (number.isascii() and number.isdigit() and int(number)) or not is_hash:
        raise click.BadParameter(
            f"{value!r} is not SEQ:HASH, such as 69:sha256: and 64 hexadecimal digits", ctx, param
        )
    return int(number), f"sha256:{digits}"


@click.command("verify")
@click.argument("launch", required=False)
@click.option("--head", metavar="SEQ:HASH", callback=parse_head, help="Last event as it was noted elsewhere.")
def command(launch: str | None, head: tuple[int, str] | None) -> int:
    """Check the journal of LAUNCH (an id, a service, or the newest of ./launch.yaml) for any change.

    Every event is checked against its hash and its predecessor, and the chain against its sealed head and
    the one given with --head; every vote against the keys of the policy of its time. Nothing is changed.

    Exit codes: 0 whole, 1 damaged, or a vote does not hold, 3 whole in itself, but no witness says where it
    should end.
    """
    from tminus.wiring import find_launch, open_home, refuse_missing_home

    home = open_home()
    refuse_missing_home(home)
    try:
        row = find_launch(home, launch)
        found = verify(home.store.raw, row.launch, home.seal, head)
        proof = verify_votes(home.store.raw, row.launch)
    finally:
        home.close()
    click.echo(verification_text(found, head, proof))
    return EXIT_CODES[Outcome.FAIL] if proof.doubts else EXIT_CODES[found.outcome]


def verify(
    raw: RawRecords, launch: str, seal: HeadSeal | None, head: tuple[int, str] | None = None
) -> Verification:
    """The verification with a head that was noted elsewhere as a further witness.

    Raises:
        PortFault: the journal or the sealed head cannot be read.
    """
    return verify_launch(raw, launch, seal, () if head is None else (Head(launch, *head),))


def verification_text(
    found: Verification, head: tuple[int, str] | None = None, proof: Proof = NOTHING_SIGNED
) -> str:
    """What was checked, against what, every finding, and the head to note."""
    return "\n".join(_rows(found, head, proof))


def _rows(found: Verification, head: tuple[int, str] | None, proof: Proof) -> Iterator[str]:
    yield f"{'launch':<9} {found.launch}"
    yield f"{'checked':<9} {found.events} events: each against its hash, and its link to the one before"
    if head is not None:
        yield f"{'given':<9} event {head[0]} as it was noted elsewhere"
    if found.witnessed_seq:
        yield f"{'witness':<9} vouches for everything up to event {found.witnessed_seq}"
    else:
        yield f"{'witness':<9} none: events cut off at the end would leave no trace"
    yield from vote_rows(proof)
    yield f"{'head':<9} {found.head_seq}:{found.head_hash}"
    yield f"{'verdict':<9} {_VERDICTS[found.outcome]}"
    for problem in (*found.problems(), *vote_problems(proof, found.launch)):
        yield ""
        yield problem.text()
    if found.outcome is not Outcome.FAIL and found.events:
        yield ""
        yield "Note the head outside of this machine. To check against it later:"
        yield f"  tminus verify {found.launch} --head {found.head_seq}:{found.head_hash}"


_VERDICTS = {
    Outcome.PASS: "pass: whole, and as long as its witness says",
    Outcome.FAIL: "FAIL: the journal was damaged; nothing is to be decided from it",
    Outcome.INCONCLUSIVE: "inconclusive: whole in itself; give --head to know where it should end",
}
