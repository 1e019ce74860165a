"""Finding releases in a repository."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class TagReading:
    """A tag as the repository has it now: the commit it names, and whether it is annotated."""

    tag: str
    commit: str
    annotated: bool


class Releases(Protocol):
    """Reads a repository; building is a job."""

    def read_tag(self, tag: str) -> TagReading:
        """The tag now.

        Raises:
            Refused: `tag-missing`.
            Unavailable: git does not answer.
        """
        ...

    def find_commit(self, commit: str, branch: str) -> str:
        """Full id of a commit; of the branch's newest where `commit` is empty. `branch` may be empty.

        Raises:
            Refused: `commit-missing`, `branch-missing`, `commit-not-on-branch`.
            Unavailable: git does not answer.
        """
        ...

    def dirty_paths(self) -> tuple[str, ...]:
        """Tracked files with uncommitted changes, and untracked ones that are not ignored; sorted.

        Raises:
            Unavailable: git does not answer.
        """
        ...
