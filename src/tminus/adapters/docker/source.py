"""The tree of a tag's commit as a build's context. Must not look at anybody's work tree."""

import os
import subprocess
import tarfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from tminus.adapters.docker.ignore import Ignore
from tminus.domain.problem import Problem, ProblemError

_CALL_LIMIT_S = 20.0
_ARCHIVE_LIMIT_S = 300.0  # a repository of some gigabytes on a slow disk
_NAME, _EMAIL = "tminus", "tminus@localhost"  # who makes a tag where git knows nobody
_IGNORE_FILE = ".dockerignore"


@dataclass(frozen=True, slots=True)
class Source:
    """A commit of a repository on this machine.

    Attributes:
        repository: its folder.
        tag: annotated tag that names the commit.
        commit: full id.
        message: of the tag that is made where there is none; empty makes none.
    """

    repository: Path
    tag: str
    commit: str
    message: str = ""

    def check_tag(self) -> bool:
        """The tag must name the commit; returns whether it was made here.

        Raises:
            ProblemError: `tag-missing`, `tag-moved`, `git-unavailable`.
        """
        made = bool(self.message) and not self._git("tag", "--list", self.tag)
        if made:
            who = self._git("config", "--default", _NAME, "--get", "user.name")
            mail = self._git("config", "--default", _EMAIL, "--get", "user.email")
            # Signing may ask for a passphrase, which nobody is there to type.
            settings = ("-c", f"user.name={who}", "-c", f"user.email={mail}")
            text = f"--message={self.message}"
            self._git(*settings, "tag", "--annotate", "--no-sign", text, self.tag, self.commit)
        name = f"refs/tags/{self.tag}^{{commit}}"
        found = self._git("rev-parse", "--quiet", "--verify", name, code="tag-missing")
        if found != self.commit:
            raise ProblemError(
                Problem(
                    "tag-moved",
                    f"tag {self.tag} was {self.commit} when the launch was planned and is {found} now",
                    str(self.repository),
                    why="what was approved is the planned commit, and a tag that moves names two releases",
                    fix="tag the new commit with another version, or put the tag back",
                )
            )
        return made

    def commit_time_s(self) -> int:
        """When the commit was made, in seconds since the epoch.

        Raises:
            ProblemError: `git-unavailable`.
        """
        return int(self._git("show", "--no-patch", "--format=%ct", self.commit, "--"))

    def url(self) -> str:
        """Where the repository comes from, without credentials; its folder's name where it does not say.

        Raises:
            ProblemError: `git-unavailable`.
        """
        remote = self._git("config", "--default", "", "--get", "remote.origin.url")
        parts = urlsplit(remote)
        if parts.scheme in ("http", "https", "ssh", "git"):
            return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        return remote if "@" in remote and ":" in remote else self.repository.resolve().name

    def archive(self, context: str, dockerfile: str, target: Path) -> None:
        """Writes the context as a tar file, without what its `.dockerignore` leaves out.

        The Dockerfile stays in, whatever is said about it: the engine reads it from there.

        Raises:
            ProblemError: `context-missing`, `git-unavailable`.
            OSError: it cannot be written.
        """
        folder = context.strip("/").removeprefix("./")
        tree = self.commit if folder in ("", ".") else f"{self.commit}:{folder}"
        if self._git("cat-file", "-t", tree, code="context-missing") not in ("commit", "tree"):
            raise self._problem("context-missing", f"{context} is no folder in {self.tag}")
        whole = target.with_suffix(".whole")
        with whole.open("wb") as file:
            try:
                done = subprocess.run(
                    self._argv("archive", "--format=tar", tree),
                    env=_environment(os.environ),
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.PIPE,
                    timeout=_ARCHIVE_LIMIT_S,
                    check=False,
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                raise self._problem("git-unavailable", "git archive does not end") from error
        if done.returncode != 0:
            raise self._problem("git-unavailable", os.fsdecode(done.stderr).strip()[:300])
        if dockerfile not in _leave_out(whole, target, {dockerfile, _IGNORE_FILE}):
            raise self._problem("context-missing", f"{dockerfile} is no file in {context} of {self.tag}")

    def _git(self, *arguments: str, code: str = "git-unavailable") -> str:
        try:
            done = subprocess.run(
                self._argv(*arguments),
                env=_environment(os.environ),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_CALL_LIMIT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise self._problem("git-unavailable", f"git {arguments[0]} cannot be run") from error
        if done.returncode != 0:
            said = os.fsdecode(done.stderr).strip().rpartition("\n")[2][:300]
            raise self._problem(code, said or f"git {arguments[0]} finds nothing")
        return os.fsdecode(done.stdout).strip()

    def _argv(self, *arguments: str) -> list[str]:
        options = [f"safe.directory={self.repository.resolve()}", "core.hooksPath=/dev/null"]
        options += ["core.fsmonitor=false", f"core.attributesFile={os.devnull}"]
        settings = [word for option in options for word in ("-c", option)]
        return ["git", *settings, "-C", str(self.repository), *arguments]

    def _problem(self, code: str, why: str) -> ProblemError:
        fix = f"look with: git -C {self.repository} show {self.tag}"
        what = f"the tree of {self.tag} cannot be read"
        return ProblemError(Problem(code, what, str(self.repository), why, fix))


def _environment(environment: Mapping[str, str]) -> dict[str, str]:
    kept = {name: environment[name] for name in ("PATH", "HOME") if name in environment}
    return {**kept, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}


def _leave_out(whole: Path, target: Path, always: Collection[str]) -> Collection[str]:
    """Makes `target` of `whole`; returns the names that were in it."""
    with tarfile.open(whole) as tar:
        names = set(tar.getnames())
        file = tar.extractfile(_IGNORE_FILE) if _IGNORE_FILE in names else None
        ignore = Ignore("" if file is None else file.read().decode(errors="replace"))
        with tarfile.open(target, "w") as kept:
            for member in tar:
                if member.isdir() or member.name in always or not ignore.leaves_out(member.name):
                    kept.addfile(member, tar.extractfile(member) if member.isreg() else None)
    whole.unlink()
    return names
