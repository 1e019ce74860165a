"""Makes a git repository of the sample service: three commits, three annotated tags, always the same ids.

Usage: python examples/paymentapp/make_repository.py DIRECTORY
"""

import argparse
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
RELEASES = {
    "v1.0.0": "Register, log in, pay",
    "v1.1.0": "Keep amounts in cents, with a currency",
    "v1.2.0": "Weigh the risk of payments",
}
FLAWED = {
    "broken-expand": "Call sessions logins",
    "failing-expand": "Note and limit amounts",
    "waiting-expand": "Note who approved a payment",
    "slow-expand": "Note payments in two steps",
}
FIRST_COMMIT_S = 1_767_225_600  # 2026-01-01T00:00:00Z
DAY_S = 86_400
GIT_LIMIT_S = 30


def make_repository(
    directory: Path, port: int = 8080, adapt: Callable[[str], str] = str, more: Path | None = None
) -> dict[str, str]:
    """Makes the repository in an empty or new directory; returns the commit of each tag.

    Each release is a folder under `releases/` laid over the one before; `port` is the public one in its plan.
    `adapt` changes the text of each plan, and `more` is a folder that is laid under all of them.

    Raises:
        FileExistsError: something is in the directory.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()):
        raise FileExistsError(f"{directory} is not empty")
    _git(directory, 0, "init", "--quiet", "--initial-branch", "main")
    if more is not None:
        lay(more, directory, {})
    return {
        tag: _commit(directory, tag, tag, subject, FIRST_COMMIT_S + number * DAY_S, port, adapt=adapt)
        for number, (tag, subject) in enumerate(RELEASES.items())
    }


def tag_flawed(directory: Path, overlay: str, tag: str, base: str = "v1.1.0", port: int = 8080) -> str:
    """Adds a release with a flaw in its migration, made of `base` and one folder; returns its commit.

    The new commit is checked out and on no branch. `overlay` is one of these, each an expand migration:

    - `broken-expand` takes away a table that the stable version reads: it runs, and stable's logins fail;
    - `failing-expand` adds a column and then fails: it stops half-way;
    - `waiting-expand` waits for a lock that nobody gives back, and payments queue behind it;
    - `slow-expand` takes seconds between its two halves, in nobody's way, and may be run again.

    Args:
        directory: made by `make_repository`.
        overlay: name of the folder under `releases/`.
        tag: of the new release, for example `v1.3.0`.
        base: tag of the release it is laid over; its contract migration runs first where it has not run yet.
        port: the public one in its plan.
    """
    at_s = FIRST_COMMIT_S + (len(RELEASES) + list(FLAWED).index(overlay)) * DAY_S
    _git(directory, at_s, "checkout", "--quiet", base)
    return _commit(directory, overlay, tag, FLAWED[overlay], at_s, port, base)


def _commit(
    directory: Path,
    folder: str,
    tag: str,
    subject: str,
    at_s: int,
    port: int,
    base: str = "",
    adapt: Callable[[str], str] = str,
) -> str:
    version = tag.removeprefix("v")
    words = {
        "@VERSION@": version,
        "@REVISION@": _revision(tag),
        "@BASE@": _last_revision(directory, base) if base else "",
        "@PORT@": str(port),
    }
    lay(HERE / "releases" / folder, directory, words)
    plan = (HERE / "launch.yaml").read_text(encoding="utf-8")
    if not _has_contract(directory, tag):
        plan = "".join(line for line in plan.splitlines(keepends=True) if "contract_@" not in line)
    (directory / "launch.yaml").write_text(adapt(_filled(plan, words)), encoding="utf-8")
    (directory / ".gitignore").write_text("__pycache__/\n/build.json\n/.tminus/\n", encoding="utf-8")
    for path in directory.rglob("*"):
        # The same ids whatever the umask: git keeps the executable bit.
        if path.is_file() and ".git" not in path.relative_to(directory).parts:
            path.chmod(0o644)
    _git(directory, at_s, "add", "--all")
    _git(directory, at_s, "commit", "--quiet", "--message", subject)
    _git(directory, at_s, "tag", "--annotate", tag, "--message", f"paymentapp {tag}: {subject}")
    return _git(directory, at_s, "rev-parse", "HEAD").strip()


def lay(source: Path, directory: Path, words: dict[str, str]) -> None:
    """Copies a folder over a repository; words in names and contents of Python files are filled in."""
    for path in sorted(source.rglob("*")):
        if not path.is_file() or "__pycache__" in path.parts:
            continue
        target = directory / _filled(str(path.relative_to(source)), words)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".py":
            target.write_text(_filled(path.read_text(encoding="utf-8"), words), encoding="utf-8")
        else:
            shutil.copyfile(path, target)


def _filled(text: str, words: dict[str, str]) -> str:
    for word, value in words.items():
        text = text.replace(word, value)
    return text


def _revision(tag: str) -> str:
    return re.sub(r"[^0-9a-z]", "_", tag.removeprefix("v"))


def _has_contract(directory: Path, tag: str) -> bool:
    return (directory / "migrations" / "versions" / f"contract_{_revision(tag)}.py").exists()


def _last_revision(directory: Path, tag: str) -> str:
    return f"{'contract' if _has_contract(directory, tag) else 'expand'}_{_revision(tag)}"


def _git(directory: Path, at_s: int, *arguments: str) -> str:
    """Git without anybody's configuration, under one name and at one time."""
    moment = f"{at_s} +0000"
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(directory),
        "LC_ALL": "C",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_AUTHOR_NAME": "Paymentapp",
        "GIT_AUTHOR_EMAIL": "paymentapp@example.org",
        "GIT_AUTHOR_DATE": moment,
        "GIT_COMMITTER_NAME": "Paymentapp",
        "GIT_COMMITTER_EMAIL": "paymentapp@example.org",
        "GIT_COMMITTER_DATE": moment,
    }
    argv = ["git", "-C", str(directory), "-c", "core.autocrlf=false", "-c", "core.filemode=true"]
    argv += ["-c", "advice.detachedHead=false", *arguments]
    done = subprocess.run(
        argv, env=environment, check=True, stdout=subprocess.PIPE, text=True, timeout=GIT_LIMIT_S
    )
    return done.stdout


def main() -> None:
    """Makes the repository and says which commits it has."""
    parser = argparse.ArgumentParser(description="Makes a git repository of the sample service.")
    parser.add_argument("directory", type=Path)
    for tag, commit in make_repository(parser.parse_args().directory).items():
        print(f"{tag} {commit}")


if __name__ == "__main__":
    main()
