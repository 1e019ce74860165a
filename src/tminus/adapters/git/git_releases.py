"""Releases read from a local git repository. Must not build: that is a job."""

from collections.abc import Mapping
from pathlib import Path

from tminus.adapters.git.command import run_git
from tminus.ports.artifacts import TagReading
from tminus.ports.fault import Refused

_STATUS_WIDTH = 3  # two letters and a space before each path of `git status --porcelain`


class GitReleases:
    """Reads a repository on this machine by the `git` command."""

    def __init__(self, repository: Path, environment: Mapping[str, str]) -> None:
        """Takes the repository's directory, bare or not, and the environment to find git in."""
        self._repository = repository
        self._environment = environment

    def read_tag(self, tag: str) -> TagReading:
        """See the port.

        Raises:
            Refused: `tag-missing`.
            Unavailable: `git-unavailable`.
        """
        return read_tag(self._repository, self._environment, tag)

    def find_commit(self, commit: str, branch: str) -> str:
        """See the port. A branch is a local one, else one of a remote such as `origin/main`.

        Raises:
            Refused: `commit-missing`, `branch-missing`, `commit-not-on-branch`.
            Unavailable: `git-unavailable`.
        """
        tip = self._tip(branch) if branch else ""
        found = self._commit(commit) if commit else tip
        if not found:
            raise Refused("commit-missing", f"{self._repository} has no commit {commit!r}")
        if tip and self._git("rev-list", "--max-count=1", found, "--not", tip, "--").strip():
            why = f"commit {found[:12]} is not on {branch}, whose newest commit is {tip[:12]}"
            raise Refused("commit-not-on-branch", why)
        return found

    def _tip(self, branch: str) -> str:
        for name in (f"refs/heads/{branch}", f"refs/remotes/{branch}"):
            if found := self._commit(name):
                return found
        raise Refused("branch-missing", f"{self._repository} has no branch {branch!r}")

    def _commit(self, name: str) -> str:
        """Full id of the commit of that name, empty where there is none."""
        if any(character.isspace() for character in name):
            return ""
        asked = f"{name}^{{commit}}\n"
        answer = self._git("cat-file", "--batch-check=%(objecttype) %(objectname)", stdin=asked)
        kind, _, found = answer.strip().partition(" ")
        return found if kind == "commit" else ""

    def _git(self, *arguments: str, stdin: str = "") -> str:
        return run_git(self._repository, self._environment, *arguments, stdin=stdin)

    def dirty_paths(self) -> tuple[str, ...]:
        """See the port. A bare repository has no work tree, so nothing in it can be dirty.

        Raises:
            Unavailable: `git-unavailable`.
        """
        bare = run_git(self._repository, self._environment, "rev-parse", "--is-bare-repository")
        if bare.strip() == "true":
            return ()
        listing = run_git(
            self._repository,
            self._environment,
            "status",
            "--porcelain=v1",
            "-z",
            "--untracked-files=all",
            "--no-renames",
        )
        return tuple(sorted(line[_STATUS_WIDTH:] for line in listing.split("\0") if line))


def read_tag(repository: Path, environment: Mapping[str, str], tag: str) -> TagReading:
    """The tag and the commit that it names, in one look at the repository.

    Raises:
        Refused: `tag-missing`.
        Unavailable: `git-unavailable`.
    """
    name = f"refs/tags/{tag}"
    if not tag or any(character.isspace() for character in tag):
        raise _missing(repository, tag)
    answer = run_git(
        repository,
        environment,
        "cat-file",
        "--batch-check=%(objecttype) %(objectname)",
        stdin=f"{name}\n{name}^{{commit}}\n",
    )
    tag_type, _, _ = (answer.splitlines() or [""])[0].partition(" ")
    commit_type, _, commit = (answer.splitlines() or [""])[-1].partition(" ")
    if commit_type != "commit":
        raise _missing(repository, tag)
    return TagReading(tag, commit, annotated=tag_type == "tag")


def _missing(repository: Path, tag: str) -> Refused:
    return Refused(
        "tag-missing",
        f"{repository} has no tag {tag!r} that names a commit; "
        f"create it with: git tag --annotate {tag} --message {tag} COMMIT",
    )
