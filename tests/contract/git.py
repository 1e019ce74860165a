"""A git repository for tests, and builds of its tag."""

import os
import subprocess
import threading
from pathlib import Path

import pytest

from tminus.adapters.git.build import build
from tminus.adapters.git.git_releases import GitReleases
from tminus.domain.canonical import Json
from tminus.domain.problem import Problem, ProblemError
from tminus.testing.contract.releases import ReleasesHarness

GIT_LIMIT_S = 30


class GitHarness(ReleasesHarness):
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.repository = directory / "repository"
        self.repository.mkdir()
        self.git("init", "--quiet", "--initial-branch", "main")
        self.write("readme.txt", "hello\n")
        self.commit()

    def releases(self) -> GitReleases:
        return GitReleases(self.repository, os.environ)

    def broken(self) -> GitReleases:
        return GitReleases(self.directory / "nowhere", os.environ)

    def commit(self) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "change")
        return self.git("rev-parse", "HEAD").strip()

    def tag(self, tag: str, *, annotated: bool) -> None:
        self.git("tag", "--force", *(["--annotate", "--message", tag] if annotated else []), tag)

    def write(self, path: str, text: str) -> None:
        target = self.repository / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def remove(self, path: str) -> None:
        (self.repository / path).unlink()

    def git(self, *arguments: str) -> str:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "a",
            "GIT_AUTHOR_EMAIL": "a@example.org",
            "GIT_COMMITTER_NAME": "a",
            "GIT_COMMITTER_EMAIL": "a@example.org",
        }
        argv = ["git", "-C", str(self.repository), *arguments]
        done = subprocess.run(
            argv, env=environment, check=True, stdout=subprocess.PIPE, text=True, timeout=GIT_LIMIT_S
        )
        return done.stdout


class Builder:
    """Builds the tag v1 of a repository."""

    def __init__(self, git: GitHarness, directory: Path) -> None:
        self.git = git
        self.artifacts = directory / "artifacts"
        self.job = directory / "job"
        self.job.mkdir()
        self.stop = threading.Event()
        git.write("run.sh", "#!/bin/sh\n")
        (git.repository / "run.sh").chmod(0o755)
        (git.repository / "link").symlink_to("readme.txt")
        self.commit = git.commit()
        git.tag("v1", annotated=True)

    def build(self, *command: str, deadline_ms: int | None = None) -> dict[str, Json]:
        arguments: dict[str, Json] = {
            "repository": str(self.git.repository),
            "tag": "v1",
            "commit": self.commit,
            "command": list(command),
            "artifacts_directory": str(self.artifacts),
            "deadline_ms": deadline_ms,
        }
        result = build(arguments, self.job, self.stop)
        assert isinstance(result, dict)
        return result

    def tagging(self, tag: str = "v2", commit: str = "", subject: str = "shop 2.0.0") -> dict[str, Json]:
        arguments: dict[str, Json] = {
            "repository": str(self.git.repository),
            "tag": tag,
            "commit": commit or self.commit,
            "command": [],
            "artifacts_directory": str(self.artifacts),
            "make_tag": subject,
            "launch": "shop-2.0.0",
        }
        result = build(arguments, self.job, self.stop)
        assert isinstance(result, dict)
        return result

    def problem(self, *command: str, deadline_ms: int | None = None) -> Problem:
        with pytest.raises(ProblemError) as error:
            self.build(*command, deadline_ms=deadline_ms)
        assert len(error.value.problems) == 1
        return error.value.problems[0]

    def path(self, result: dict[str, Json]) -> Path:
        return self.artifacts / str(result["digest"]).removeprefix("sha256:")


def leftovers(builder: Builder) -> list[str]:
    return [path.name for path in builder.artifacts.glob(".building-*")]
