"""The probe `git`: the tag is what it should be, and nothing was added since. Must not change anything."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from tminus.adapters.clock.deadline import Deadline
from tminus.adapters.git.command import git_argv, git_environment, run_git
from tminus.domain.readiness.answer import Answer, failed, passed, unknown
from tminus.ports.fault import Unavailable
from tminus.ports.probes import Around, ProbeKind, Target
from tminus.probes.amount import counted, listed
from tminus.probes.guard import guarded
from tminus.probes.running import Ran, run_bounded

MOST_COMMITS = 2_000
"""That are looked at after the tag; a freeze has a few."""

_TAG = re.compile(r"[^-\s][^\s]{0,200}")
_SIGNED = re.compile(rb"^-----BEGIN (?:SSH|PGP) SIGNATURE-----$", re.MULTILINE)
_WHO = re.compile(r'Good "git" signature for (\S+) with')


@dataclass(frozen=True, slots=True)
class GitSettings:
    """What must hold of the tag and its branch.

    Attributes:
        branch: the tag's commit must be on it; a local branch, else one of a remote such as `origin/main`.
        signers: file of SSH keys that may sign a release, as `ssh-keygen` reads allowed signers; with it the
            tag must be signed by one of them. Keep it where those who tag cannot change it.
        annotated: the tag must say who made it and when.
        frozen: since the tag nothing was committed to the branch but changes of `allowed`.
        allowed: patterns of paths that may change in the freeze, such as `docs/*`.
    """

    branch: str = "main"
    signers: str = ""
    annotated: bool = True
    frozen: bool = True
    allowed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuses what is no branch.

        Raises:
            ValueError: see its sentence.
        """
        if self.branch.startswith("-") or any(each.isspace() for each in self.branch) or not self.branch:
            raise ValueError(f"{self.branch!r} is no name of a branch")


@dataclass(frozen=True, slots=True)
class _Asked:
    """One look: what is asked, where, and until when."""

    settings: GitSettings
    around: Around
    deadline: Deadline

    def git(self, *arguments: str, stdin: str = "") -> str:
        """What git prints.

        Raises:
            Unavailable: `git-unavailable`.
        """
        repository, environment = self.around.repository, self.around.environment
        limit_s = self.deadline.left_ms / 1000
        return run_git(repository, environment, *arguments, stdin=stdin, limit_s=limit_s)

    def object_of(self, name: str) -> tuple[str, str]:
        """Kind and id of what a name names; kind `missing` where it names nothing."""
        asked = "--batch-check=%(objecttype) %(objectname)"
        kind, _, found = self.git("cat-file", asked, stdin=f"{name}\n").strip().partition(" ")
        return (kind, found) if kind in ("commit", "tag", "tree", "blob") else ("missing", "")


def _source(settings: GitSettings, target: Target) -> str:
    return f"git tag {target.tag or '(none yet)'}, branch {settings.branch}"


def _ask(settings: GitSettings, around: Around, limit_ms: int) -> Answer:
    source, tag = _source(settings, around.target), around.target.tag
    if not _TAG.fullmatch(tag):
        return unknown("the release has no tag yet", source)
    asked = _Asked(settings, around, Deadline(limit_ms))
    kind, _ = asked.object_of(f"refs/tags/{tag}")
    commit_kind, commit = asked.object_of(f"refs/tags/{tag}^{{commit}}")
    if commit_kind != "commit":
        return failed(f"there is no tag {tag} that names a commit", source)
    tip = next(
        (
            found
            for place in ("heads", "remotes")
            for is_kind, found in [asked.object_of(f"refs/{place}/{settings.branch}")]
            if is_kind == "commit"
        ),
        "",
    )
    if not tip:
        return unknown(f"there is no branch {settings.branch}", source)
    wrong = list(_wrong_tag(asked, tag, kind, commit))
    signer = ""
    if settings.signers:
        signer, why = _signer(asked, tag)
        wrong += [why] if why else []
    on_branch = not asked.git("rev-list", "--max-count=1", commit, "--not", tip, "--").strip()
    if not on_branch:
        wrong.append(f"its commit {commit[:12]} is not on {settings.branch}")
    late = _late(asked, commit, tip) if settings.frozen else []
    since = counted(len(late), "commit")
    if late:
        wrong.append(f"{since} on {settings.branch} since the tag: {listed(late)}")
    facts = {"commits_since": len(late)}
    if wrong:
        return failed("; ".join(wrong), source, "\n".join(late), **facts)
    parts = [f"{tag} is at {commit[:12]} on {settings.branch}"]
    parts += [f"signed by {signer}"] if signer else []
    parts += ["nothing was added since that may not be"] if settings.frozen else []
    return passed(", ".join(parts), source, "", **facts)


def _wrong_tag(asked: _Asked, tag: str, kind: str, commit: str) -> Iterator[str]:
    if kind != "tag" and (asked.settings.annotated or asked.settings.signers):
        yield f"{tag} is a lightweight tag, which says neither who made it nor when"
    expected = asked.around.target.commit
    if expected and not commit.startswith(expected):
        yield f"{tag} is at {commit[:12]}, and what is launched at {expected[:12]}"


def _signer(asked: _Asked, tag: str) -> tuple[str, str]:
    """Who has signed the tag, and why that does not count.

    Raises:
        Unavailable: `git-unavailable`: the list of signers or the program that checks is not there.
    """
    repository = asked.around.repository
    signers = repository / asked.settings.signers
    if not signers.is_file():
        raise Unavailable("git-unavailable", f"there is no file of signers {asked.settings.signers}")
    if not _SIGNED.search(asked.git("cat-file", "tag", f"refs/tags/{tag}").encode(errors="replace")):
        return "", f"{tag} is not signed"
    ran = _verify(asked, signers, tag)
    if ran.ended != "exited":
        raise Unavailable("git-unavailable", f"git verify-tag did not answer: {ran.ended}")
    said = ran.tail
    found = _WHO.search(said)
    if ran.code == 0 and found:
        return found[1], ""
    if "ssh-keygen" in said and ("not found" in said or "cannot run" in said):
        raise Unavailable("git-unavailable", "ssh-keygen, which checks signatures, is not there")
    return "", f"{tag} is not signed by one of {Path(asked.settings.signers).name}"


def _verify(asked: _Asked, signers: Path, tag: str) -> Ran:
    from_settings = (
        *("-c", "gpg.format=ssh"),
        *("-c", f"gpg.ssh.allowedSignersFile={signers.resolve()}"),
        *("-c", "gpg.ssh.program=ssh-keygen"),
        *("-c", "gpg.ssh.revocationFile="),
    )
    argv = git_argv(asked.around.repository, *from_settings, "verify-tag", tag)
    environment = git_environment(asked.around.environment)
    return run_bounded(argv, asked.around.repository, environment, asked.deadline.left_ms)


def _late(asked: _Asked, commit: str, tip: str) -> list[str]:
    """Commits of the branch since the tag that change what may not change, as `id subject`."""
    limit = f"--max-count={MOST_COMMITS}"
    # Merges are compared with their first parent: what they bring counts, however it came.
    log = asked.git(
        "log", "-z", "--first-parent", "--diff-merges=first-parent", "--name-only", limit,
        "--no-renames", "--format=%x01%h %s%x02", f"{commit}..{tip}", "--",
    )  # fmt: skip
    late = []
    entries = log.split("\x01")[1:]
    if len(entries) >= MOST_COMMITS:
        raise Unavailable("git-unavailable", f"there are {MOST_COMMITS} commits since the tag, or more")
    for entry in entries:
        title, _, names = entry.partition("\x02")
        paths = [name.strip("\n") for name in names.split("\0") if name.strip("\n")]
        allowed = all(any(fnmatchcase(path, each) for each in asked.settings.allowed) for path in paths)
        if not allowed:
            late.append("".join(each if each.isprintable() else " " for each in title)[:100])
    return late


GIT = ProbeKind(GitSettings, guarded(_ask, _source))
"""See `GitSettings`."""
