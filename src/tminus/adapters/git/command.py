"""The `git` command, with a time limit and without the configuration of whoever runs it."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tminus.ports.fault import Unavailable

CALL_LIMIT_S = 20.0  # `git status` of a large tree on a cold cache; everything else takes milliseconds
_WHY_LIMIT = 300  # characters of git's own explanation


def git_argv(repository: Path, *arguments: str) -> list[str]:
    """A git command line for `repository` that runs none of its hooks or monitors.

    The owner of the repository may be another user than the one who launches, which git refuses unless
    told that the directory is meant.
    """
    return [
        "git",
        "-c",
        f"safe.directory={repository.resolve()}",
        "-c",
        "core.hooksPath=/dev/null",
        "-c",
        "core.fsmonitor=false",
        "-c",
        f"core.attributesFile={os.devnull}",
        "-C",
        str(repository),
        *arguments,
    ]


def git_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What git runs with: no GIT_* variable of the caller, no question, no translation, no lock."""
    kept = {name: environment[name] for name in ("PATH", "HOME") if name in environment}
    return {**kept, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}


def run_git(
    repository: Path,
    environment: Mapping[str, str],
    *arguments: str,
    stdin: str = "",
    limit_s: float = CALL_LIMIT_S,
) -> str:
    """Standard output of a git command; undecodable bytes of file names become surrogates.

    Raises:
        Unavailable: `git-unavailable`: no git, no repository, no answer in time, a failing command.
    """
    try:
        done = subprocess.run(
            git_argv(repository, *arguments),
            env=git_environment(environment),
            input=os.fsencode(stdin),
            capture_output=True,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        why = f"git {_verb(arguments)} did not answer within {limit_s:g} s"
        raise Unavailable("git-unavailable", why) from error
    except OSError as error:
        raise Unavailable("git-unavailable", f"git cannot be run: {error.strerror}") from error
    if done.returncode != 0:
        last = os.fsdecode(done.stderr).strip().rpartition("\n")[2][:_WHY_LIMIT]
        raise Unavailable("git-unavailable", f"git {_verb(arguments)} in {repository}: {last}")
    return os.fsdecode(done.stdout)


def _verb(arguments: tuple[str, ...]) -> str:
    """The git command among arguments that may begin with settings."""
    settings = arguments.count("-c")
    return arguments[2 * settings] if len(arguments) > 2 * settings else arguments[0]
