"""Makes a git repository of the sample service: three commits, three annotated tags, always the same ids.

Usage: python examples/hello/make_repository.py DIRECTORY
"""

import argparse
import os
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
RELEASES = {
    "v1.0.0": "A small shop",
    "v1.1.0": "Greet those who come back",
    "v1.2.0": "Look things up faster",
}
FIRST_COMMIT_S = 1_767_225_600  # 2026-01-01T00:00:00Z
DAY_S = 86_400
GIT_LIMIT_S = 30


def make_repository(directory: Path, port: int = 8080) -> dict[str, str]:
    """Makes the repository in an empty or new directory; returns the commit of each tag.

    Each release is a folder under `releases/` laid over the one before; `port` is the public one in its plan.

    Raises:
        FileExistsError: something is in the directory.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()):
        raise FileExistsError(f"{directory} is not empty")
    _git(directory, 0, "init", "--quiet", "--initial-branch", "main")
    return {
        tag: _commit(directory, tag, subject, FIRST_COMMIT_S + number * DAY_S, port)
        for number, (tag, subject) in enumerate(RELEASES.items())
    }


def _commit(directory: Path, tag: str, subject: str, at_s: int, port: int) -> str:
    shutil.copytree(
        HERE / "releases" / tag, directory, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
    )
    plan = (HERE / "launch.yaml").read_text(encoding="utf-8")
    plan = plan.replace("@VERSION@", tag.removeprefix("v")).replace("@PORT@", str(port))
    (directory / "launch.yaml").write_text(plan, encoding="utf-8")
    (directory / ".gitignore").write_text("__pycache__/\n/build.json\n/.tminus/\n", encoding="utf-8")
    for path in directory.rglob("*"):
        # The same ids whatever the umask: git keeps the executable bit.
        if path.is_file() and ".git" not in path.relative_to(directory).parts:
            path.chmod(0o644)
    _git(directory, at_s, "add", "--all")
    _git(directory, at_s, "commit", "--quiet", "--message", subject)
    _git(directory, at_s, "tag", "--annotate", tag, "--message", f"hello {tag}: {subject}")
    return _git(directory, at_s, "rev-parse", "HEAD").strip()


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
        "GIT_AUTHOR_NAME": "Hello",
        "GIT_AUTHOR_EMAIL": "hello@example.org",
        "GIT_AUTHOR_DATE": moment,
        "GIT_COMMITTER_NAME": "Hello",
        "GIT_COMMITTER_EMAIL": "hello@example.org",
        "GIT_COMMITTER_DATE": moment,
    }
    argv = ["git", "-C", str(directory), "-c", "core.autocrlf=false", "-c", "core.filemode=true", *arguments]
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
