"""The signed versions of a policy: `policy.yaml.sig`, beside the policy. Must not judge signatures.

JSON, so that it can be read without tminus: `{"format": 1, "versions": [{"policy", "signatures"}]}`, the
oldest first.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from tminus.domain.codec import DecodeError, from_json, to_json
from tminus.domain.problem import Problem, ProblemError
from tminus.domain.readiness.signing import PolicyOffer
from tminus.domain.readiness.trust import Version
from tminus.plan.policy_file import load_policy

SUFFIX = ".sig"

MOST_BYTES = 4 * 1024 * 1024
"""A hundred versions of a large policy; more is another file by mistake."""


@dataclass(frozen=True, slots=True)
class _File:
    format: int
    versions: tuple[Version, ...]


def chain_path(policy: Path) -> Path:
    """Where the signed versions of a policy stand."""
    return policy.with_name(f"{policy.name}{SUFFIX}")


def load_chain(policy: Path) -> tuple[Version, ...]:
    """The signed versions, oldest first; empty where nobody has signed anything.

    Raises:
        ProblemError: `policy-chain-unreadable`.
    """
    path = chain_path(policy)
    if not path.exists():
        return ()
    try:
        with path.open("rb") as file:
            found = _read(file.read(MOST_BYTES + 1))
    except (OSError, ValueError, RecursionError, DecodeError) as error:
        raise ProblemError(
            Problem(
                "policy-chain-unreadable",
                "the signed versions of the policy cannot be read",
                str(path),
                str(error)[:200],
                "restore the file from the repository's history",
            )
        ) from error
    return found.versions


def _read(content: bytes) -> _File:
    if len(content) > MOST_BYTES:
        raise DecodeError(f"it is larger than {MOST_BYTES // 1024} KiB")
    found = from_json(_File, json.loads(content))
    if found.format != 1:
        raise DecodeError(f"its format is {found.format}, and 1 is what this release reads")
    return found


def write_chain(policy: Path, versions: tuple[Version, ...]) -> None:
    """Writes the signed versions: to a temporary name, synced, then renamed."""
    path = chain_path(policy)
    text = json.dumps(to_json(_File(1, versions)), indent=1, ensure_ascii=True)
    fresh = path.with_name(f".{path.name}.tmp")
    with fresh.open("w", encoding="ascii") as file:
        file.write(f"{text}\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def load_offer(policy: Path) -> PolicyOffer:
    """A policy with its signed versions, as they are brought to a launch.

    Raises:
        ProblemError: what is wrong with one of the two files.
    """
    return PolicyOffer(load_policy(policy), load_chain(policy))
