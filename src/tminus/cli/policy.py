"""`tminus policy`: checks, signs and shows who may vote, and brings a new version to a launch."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click

from tminus.adapters.ssh.check import SshSignatures
from tminus.cli.signer import find_signer, key_option
from tminus.cli.style import HELP_OPTIONS
from tminus.domain.problem import Problem, ProblemError
from tminus.domain.readiness.key import fingerprint
from tminus.domain.readiness.policy import Policy, digest_of_policy
from tminus.domain.readiness.poll import PolicySignature
from tminus.domain.readiness.signing import PolicyOffer
from tminus.domain.readiness.trust import (
    POLICY_NAMESPACE,
    Version,
    distrust_of,
    policy_content,
    signers_of,
)
from tminus.plan.policy_chain import chain_path, load_offer, write_chain

_SHOWN = 19  # `sha256:` and twelve digits


@click.command("policy", context_settings=dict(HELP_OPTIONS))
@click.argument("what", type=click.Choice(["check", "sign", "show", "adopt"]))
@click.argument("file", type=click.Path(path_type=Path), default=Path("policy.yaml"))
@click.option("--launch", help="For adopt: an id or a service; else the newest launch of ./launch.yaml.")
@key_option
def command(what: str, file: Path, launch: str | None, key: Path | None) -> int:
    """Check, sign or show the policy in FILE (policy.yaml), or have an open launch adopt it.

    The policy says who votes. `sign` adds your signature to FILE.sig: a policy counts only where enough
    signers of the version before have signed it; the first one is believed at first use. `check` says
    whether a launch would believe it, and by whom it was signed. `adopt` brings it to a launch that has not
    begun to stage, and voids every vote there.

    Example: tminus policy sign
    """
    offer = load_offer(file)
    known = _known()
    if what == "show":
        click.echo("\n".join(_described(offer.policy)))
        return 0
    if what == "sign":
        return _sign(file, offer, known, key)
    if what == "adopt":
        return _adopt(offer, launch)
    click.echo("\n".join(_checked(file, offer, known)))
    return 0


def _known() -> Policy | None:
    """What the service of ./launch.yaml was launched with the last time; None where nothing tells."""
    from tminus.engine.policy import known_policy
    from tminus.plan.load import load_plan
    from tminus.wiring import open_home

    plan_file = Path("launch.yaml")
    home = open_home()
    try:
        if not plan_file.is_file() or not (home.root / "journal" / "journal.db").exists():
            return None
        plan = load_plan(plan_file).plan
        rows = home.store.book.launches(plan.service, plan.environment)
        return known_policy(home.store.journal, home.store.shelf, rows)
    finally:
        home.close()


def _described(policy: Policy) -> Iterator[str]:
    yield f"{'policy':<10}{digest_of_policy(policy)}"
    for seat in policy.seats:
        stand_in = f", or {', '.join(seat.delegates)}" if seat.delegates else ""
        voter = f"machine: {', '.join(seat.checks)}" if seat.by_machine else f"{seat.holder}{stand_in}"
        yield f"{'seat':<10}{seat.name}: {voter}"
    yield (
        f"{'override':<10}two of {', '.join(policy.override)}"
        if policy.override
        else f"{'override':<10}nobody"
    )
    yield f"{'waive':<10}{', '.join(policy.waive) or 'nobody'}"
    yield f"{'signers':<10}{policy.required} of {', '.join(policy.signers)}"
    for person in policy.people:
        yield f"{'person':<10}{person.name}: {', '.join(fingerprint(key) for key in person.keys)}"


def _checked(file: Path, offer: PolicyOffer, known: Policy | None) -> Iterator[str]:
    """What a launch would make of it.

    Raises:
        ProblemError: it would not be believed.
    """
    key_of = SshSignatures().key_of
    distrust = distrust_of(offer.policy, offer.chain, known, key_of)
    if distrust is not None:
        fix = "have it signed: `tminus policy sign`; or restore the version before"
        raise ProblemError(Problem(distrust.code, distrust.why, str(file), "", fix))
    yield from _described(offer.policy)
    if known is not None and digest_of_policy(known) == digest_of_policy(offer.policy):
        yield f"{'believed':<10}it is the policy of the last launch"
    elif len(offer.chain) > 1:
        signers = signers_of(offer.chain[-1], offer.chain[-2].policy, key_of)
        yield f"{'believed':<10}version {len(offer.chain)}, signed by {', '.join(signers)}"
    else:
        yield f"{'believed':<10}at first use: it is the first version"


def _sign(file: Path, offer: PolicyOffer, known: Policy | None, key: Path | None) -> int:
    settled = _settled(offer, known)
    digest = digest_of_policy(offer.policy)
    if not settled:
        write_chain(file, (Version(offer.policy),))
        click.echo(f"{chain_path(file)}: version 1 entered; the first is believed at first use")
        return 0
    if settled[-1].digest == digest:
        if settled != offer.chain:
            write_chain(file, settled)
        click.echo(f"{chain_path(file)}: version {len(settled)} {digest[:_SHOWN]} needs no further signature")
        return 0
    before = settled[-1].policy
    pending = offer.chain[-1] if offer.chain and offer.chain[-1].digest == digest else Version(offer.policy)
    signer, person = find_signer(before, key)
    if person not in before.signers:
        may = ", ".join(before.signers)
        why = f"by the version before {may} may change the policy"
        raise ProblemError(
            Problem("not-a-signer", f"{person} is no signer", str(file), why, "ask one of them")
        )
    signature = signer.sign(POLICY_NAMESPACE, policy_content(digest, digest_of_policy(before)))
    mark = fingerprint(signer.public)
    others = tuple(each for each in pending.signatures if each.fingerprint != mark)
    fresh = replace(pending, signatures=(*others, PolicySignature(mark, signature)))
    write_chain(file, (*settled, fresh))
    found = signers_of(fresh, before, SshSignatures().key_of)
    missing = before.required - len(found)
    then = "it counts" if missing <= 0 else f"{missing} more of {', '.join(before.signers)} must sign"
    click.echo(f"{chain_path(file)}: version {len(settled) + 1} signed by {', '.join(found)}; {then}")
    return 0


def _settled(offer: PolicyOffer, known: Policy | None) -> tuple[Version, ...]:
    """The versions that count: without a last one that lacks signatures, and with the known one at least."""
    chain = offer.chain
    if not chain:
        return () if known is None else (Version(known),)
    if len(chain) == 1:
        return chain
    before = chain[-2].policy
    signed = len(signers_of(chain[-1], before, SshSignatures().key_of)) >= before.required
    return chain if signed else chain[:-1]


def _adopt(offer: PolicyOffer, launch: str | None) -> int:
    from tminus.cli.orders import give_order
    from tminus.cli.person import person
    from tminus.domain.readiness.signing import POLICY
    from tminus.wiring import find_launch, open_home, refuse_missing_home

    home = open_home()
    refuse_missing_home(home)
    try:
        return give_order(home, find_launch(home, launch), POLICY, person(), "", offer.text())
    finally:
        home.close()
