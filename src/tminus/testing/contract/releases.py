"""What every implementation of `ports.artifacts.Releases` must do."""

import abc

import pytest

from tminus.ports.artifacts import Releases, TagReading
from tminus.ports.fault import Refused, Unavailable


class ReleasesHarness(abc.ABC):
    """A repository that the suite may change. It starts with one commit and no tag."""

    @abc.abstractmethod
    def releases(self) -> Releases:
        """The adapter, on this repository."""

    @abc.abstractmethod
    def broken(self) -> Releases:
        """The adapter, on a repository that does not answer."""

    @abc.abstractmethod
    def commit(self) -> str:
        """Adds a commit with everything in the work tree; returns its id."""

    @abc.abstractmethod
    def tag(self, tag: str, *, annotated: bool) -> None:
        """Puts the tag on the newest commit, taking it from another where it was."""

    @abc.abstractmethod
    def write(self, path: str, text: str) -> None:
        """Writes a file into the work tree."""

    @abc.abstractmethod
    def remove(self, path: str) -> None:
        """Removes a file from the work tree."""


class ReleasesContract:
    """The suite. Subclass it and override the fixture `harness`."""

    @pytest.fixture
    def harness(self) -> ReleasesHarness:
        """What to run the suite on."""
        raise NotImplementedError

    @pytest.mark.parametrize("annotated", [True, False])
    def test_a_tag_names_its_commit(self, harness: ReleasesHarness, *, annotated: bool) -> None:
        """A light tag is read too: whether it may be launched is a check's business."""
        commit = harness.commit()
        harness.tag("v1.0.0", annotated=annotated)
        harness.commit()
        assert harness.releases().read_tag("v1.0.0") == TagReading("v1.0.0", commit, annotated)

    def test_a_tag_that_moved_names_its_new_commit(self, harness: ReleasesHarness) -> None:
        """Nothing is remembered between readings."""
        harness.tag("v1.0.0", annotated=True)
        releases = harness.releases()
        before = releases.read_tag("v1.0.0").commit
        after = harness.commit()
        harness.tag("v1.0.0", annotated=True)
        assert releases.read_tag("v1.0.0").commit == after != before

    def test_a_commit_is_found_by_its_id_and_a_branch_by_its_newest(self, harness: ReleasesHarness) -> None:
        """The repository's only branch is `main`; what is on it is told from what is not."""
        first, second = harness.commit(), harness.commit()
        find = harness.releases().find_commit
        assert [find(first, ""), find(first[:12], "main"), find("", "main")] == [first, first, second]

    @pytest.mark.parametrize(
        ("commit", "branch", "code"),
        [
            ("0" * 40, "", "commit-missing"),
            ("", "", "commit-missing"),
            ("a b", "", "commit-missing"),
            ("", "elsewhere", "branch-missing"),
            ("", "main\nx", "branch-missing"),
        ],
    )
    def test_what_is_no_commit_or_branch_is_refused(
        self, harness: ReleasesHarness, commit: str, branch: str, code: str
    ) -> None:
        """With a code of its own."""
        harness.commit()
        with pytest.raises(Refused) as refusal:
            harness.releases().find_commit(commit, branch)
        assert refusal.value.code == code

    @pytest.mark.parametrize("tag", ["v9.9.9", "", "main", "HEAD", "--all", "v1 0", "v1\n", "../v1.0.0"])
    def test_what_is_no_tag_is_refused(self, harness: ReleasesHarness, tag: str) -> None:
        """Branches and tricks are no tags."""
        harness.tag("v1.0.0", annotated=True)
        with pytest.raises(Refused) as refusal:
            harness.releases().read_tag(tag)
        assert refusal.value.code == "tag-missing"
        assert repr(tag) in refusal.value.why

    def test_a_clean_tree_has_no_dirty_paths(self, harness: ReleasesHarness) -> None:
        """Ignored files do not count."""
        harness.write(".gitignore", "*.log\n")
        harness.commit()
        harness.write("build.log", "x")
        assert harness.releases().dirty_paths() == ()

    def test_changed_removed_and_new_files_are_dirty(self, harness: ReleasesHarness) -> None:
        """Sorted, relative to the repository, whatever their names hold."""
        for path in ("changed.txt", "gone.txt", "kept.txt"):
            harness.write(path, "1")
        harness.commit()
        harness.write("changed.txt", "2")
        harness.remove("gone.txt")
        harness.write('folder/ä "new".txt', "1")
        assert harness.releases().dirty_paths() == ("changed.txt", 'folder/ä "new".txt', "gone.txt")

    def test_a_repository_that_does_not_answer_is_unavailable(self, harness: ReleasesHarness) -> None:
        """No answer is not a missing tag, and not a clean tree."""
        with pytest.raises(Unavailable):
            harness.broken().read_tag("v1.0.0")
        with pytest.raises(Unavailable):
            harness.broken().dirty_paths()
        with pytest.raises(Unavailable):
            harness.broken().find_commit("", "main")
