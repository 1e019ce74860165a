"""Who signs here: the key that is named, or the first of a person's own that the policy knows."""

import os
from pathlib import Path

import click

from tminus.adapters.ssh.sign import USUAL_KEYS, SshKey, usual_key
from tminus.domain.problem import Problem, ProblemError
from tminus.domain.readiness.policy import Policy

KEY_VARIABLE = "TMINUS_KEY"

key_option = click.option(
    "--key",
    type=click.Path(path_type=Path),
    help=f"SSH key to sign with, or its .pub where an agent holds it; else ${KEY_VARIABLE}, else your own.",
)


def find_signer(policy: Policy, key: Path | None) -> tuple[SshKey, str]:
    """The key and the principal id of its owner.

    Raises:
        ProblemError: `key-unknown`.
        PortFault: the key cannot be used.
    """
    named = os.environ.get(KEY_VARIABLE)
    path = key or (Path(named) if named else None)
    if path is None:
        path = usual_key(Path.home(), lambda found: bool(policy.owner_of(found)))
    if path is None:
        fix = f"name your key with --key or {KEY_VARIABLE}, or have it entered into the policy"
        tried = ", ".join(f"~/.ssh/{name}.pub" for name in USUAL_KEYS)
        raise ProblemError(
            Problem("key-unknown", "none of your keys is in the policy", "", f"looked at {tried}", fix)
        )
    signer = SshKey(path, os.environ)
    person = policy.owner_of(signer.public)
    if not person:
        known = ", ".join(each.name for each in policy.people)
        fix = "name another key with --key, or have this one entered into the policy"
        what = "the key is nobody's in the policy"
        raise ProblemError(Problem("key-unknown", what, str(path), f"it knows keys of {known}", fix))
    return signer, person
