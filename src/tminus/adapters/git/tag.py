"""Tagging a release where nobody has. Must not move or remove a tag."""

import os
from pathlib import Path

from tminus.adapters.git.command import run_git
from tminus.adapters.git.git_releases import read_tag
from tminus.domain.problem import Problem, ProblemError
from tminus.ports.artifacts import TagReading
from tminus.ports.fault import Refused, Unavailable

NAME, EMAIL = "tminus", "tminus@localhost"
"""Who tags where the repository's user has no name and no address in git's configuration."""


def ensure_tag(repository: Path, tag: str, commit: str, message: str) -> tuple[TagReading, bool]:
    """The tag, and whether it was made here: annotated, at `commit`, and only where there is none.

    Without a `message` no tag is made.

    Raises:
        ProblemError: `tag-not-annotated`: a light tag was put there meanwhile.
        Refused: `tag-missing`.
        Unavailable: `git-unavailable`.
    """
    try:
        found, made = read_tag(repository, os.environ, tag), False
    except Refused:
        if not message:
            raise
        made = _make(repository, tag, commit, message)
        found = read_tag(repository, os.environ, tag)
    if message and not found.annotated:
        raise ProblemError(
            Problem(
                "tag-not-annotated",
                f"{tag} is a lightweight tag",
                str(repository),
                "an annotated tag says who released what and when",
                f"git tag --delete {tag}, and launch again",
            )
        )
    return found, made


def _make(repository: Path, tag: str, commit: str, message: str) -> bool:
    """True where this call made it; whoever is quicker is right, and its tag is judged as any other."""
    who = [
        part
        for key, usual in (("user.name", NAME), ("user.email", EMAIL))
        for part in ("-c", f"{key}={_configured(repository, key) or usual}")
    ]
    try:
        # Signing may ask for a passphrase, which nobody is there to type.
        make = ("tag", "--annotate", "--no-sign", "--file=-", tag, commit)
        run_git(repository, os.environ, *who, *make, stdin=message)
    except Unavailable:
        read_tag(repository, os.environ, tag)
        return False
    return True


def _configured(repository: Path, key: str) -> str:
    return run_git(repository, os.environ, "config", "--default", "", "--get", key).strip()
