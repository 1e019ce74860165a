"""What probes of files are given in tests: a repository with one commit, and what is launched from it."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from tminus.domain.plan.secret import SecretRef
from tminus.domain.readiness.answer import Answer
from tminus.domain.readiness.verdict import Outcome
from tminus.ports.fault import Refused
from tminus.ports.probes import Around, ProbeKind, Target

LIMIT_MS = 30_000
"""Nothing here takes a tenth of it, but where a test is about the limit itself."""

GIT_LIMIT_S = 60
HOUR_MS = 3_600_000


T = TypeVar("T")


def made(make: Callable[..., T], *arguments: object, **fields: object) -> T:
    """Settings from fields that a table of cases holds."""
    return make(*arguments, **fields)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Repository:
    """A repository of a team, with one commit an hour ago."""

    def __init__(self, directory: Path, like: "Repository | None" = None) -> None:
        self.first = ""
        self.path = directory / "repository"
        self.directory = directory
        if like is not None:
            shutil.copytree(like.path, self.path)
            self.first = like.first
            return
        self.path.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch", "main")
        self.write("readme.md", "hello\n")
        self.first = self.commit(at_ms=now_ms() - HOUR_MS)

    def git(self, *arguments: str, at_ms: int | None = None) -> str:
        when = f"{(now_ms() if at_ms is None else at_ms) // 1000} +0000"
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "GIT_CONFIG_NOSYSTEM": "1",
            **{f"GIT_{who}_NAME": "anna" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_EMAIL": "anna@example.org" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_DATE": when for who in ("AUTHOR", "COMMITTER")},
        }
        done = subprocess.run(
            ["git", "-C", str(self.path), *arguments],
            env=environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            timeout=GIT_LIMIT_S,
        )
        return done.stdout.strip()

    def commit(self, message: str = "change", at_ms: int | None = None) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message, at_ms=at_ms)
        return self.git("rev-parse", "HEAD")

    def write(self, path: str, content: str | bytes, age_ms: int = 0) -> Path:
        target = self.path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else content.encode())
        at_ns = (now_ms() - age_ms) * 1_000_000
        os.utime(target, ns=(at_ns, at_ns))
        return target

    def around(self, secrets: Mapping[str, str] | None = None, **target: str) -> Around:
        """What a probe is given; what is launched is the first commit unless a test says otherwise."""
        values = dict(secrets or {})

        def secret(ref: SecretRef) -> str:
            if ref.locator not in values:
                raise Refused("secret-missing", f"{ref.text()} has no value")
            return values[ref.locator]

        for name in ("scratch", "backups"):
            (self.directory / name).mkdir(exist_ok=True)
        known: dict[str, Any] = dict(target)
        return Around(
            target=replace(Target("shop", "production", "1.4.0", commit=self.first), **known),
            secret=secret,
            environment={"PATH": os.environ["PATH"]},
            repository=self.path,
            scratch=self.directory / "scratch",
            backups=self.directory / "backups",
            now_ms=now_ms,
        )


def ask(kind: ProbeKind, settings: object, around: Around, limit_ms: int = LIMIT_MS) -> Answer:
    """Asks as the engine does."""
    assert isinstance(settings, kind.settings)
    return kind.ask(settings, around, limit_ms)


def said(answer: Answer) -> tuple[Outcome, str]:
    """What matters of an answer to most tests."""
    return answer.outcome, answer.why
