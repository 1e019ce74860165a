"""Releases in git: the port's contract."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.contract.git import GIT_LIMIT_S, GitHarness
from tminus.adapters.git.git_releases import GitReleases
from tminus.ports.fault import Refused
from tminus.testing.contract.releases import ReleasesContract, ReleasesHarness


class TestGitReleases(ReleasesContract):
    @pytest.fixture
    def harness(self, tmp_path: Path) -> ReleasesHarness:
        return GitHarness(tmp_path)


@pytest.fixture
def git(tmp_path: Path) -> GitHarness:
    return GitHarness(tmp_path)


def test_a_bare_repository_is_read_and_is_never_dirty(git: GitHarness) -> None:
    git.tag("v1", annotated=True)
    bare = git.directory / "bare.git"
    subprocess.run(
        ["git", "clone", "--quiet", "--bare", git.repository, bare], check=True, timeout=GIT_LIMIT_S
    )
    releases = GitReleases(bare, os.environ)
    assert releases.read_tag("v1") == git.releases().read_tag("v1")
    assert releases.dirty_paths() == ()


def test_a_tag_of_a_tree_names_no_commit(git: GitHarness) -> None:
    git.git("tag", "v1", "HEAD^{tree}")
    with pytest.raises(Exception, match="tag-missing"):
        git.releases().read_tag("v1")


def test_a_commit_of_another_branch_is_not_on_this_one(git: GitHarness) -> None:
    git.git("checkout", "--quiet", "-b", "other")
    other = git.commit()
    git.git("checkout", "--quiet", "main")
    assert git.releases().find_commit(other, "other") == other
    with pytest.raises(Refused, match=f"commit {other[:12]} is not on main") as refusal:
        git.releases().find_commit(other, "main")
    assert refusal.value.code == "commit-not-on-branch"


def test_a_branch_of_a_remote_is_found(git: GitHarness) -> None:
    clone = git.directory / "clone"
    subprocess.run(["git", "clone", "--quiet", git.repository, clone], check=True, timeout=GIT_LIMIT_S)
    newest = git.git("rev-parse", "HEAD").strip()
    assert GitReleases(clone, os.environ).find_commit("", "origin/main") == newest


def test_variables_of_the_caller_do_not_lead_git_elsewhere(
    git: GitHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    git.tag("v1", annotated=True)
    assert GitReleases(git.repository, os.environ).read_tag("v1").annotated


def test_a_repository_cannot_run_programs_when_it_is_read(git: GitHarness, tmp_path: Path) -> None:
    trap = tmp_path / "trap.sh"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n", encoding="utf-8")
    trap.chmod(0o755)
    git.git("config", "core.fsmonitor", str(trap))
    git.releases().dirty_paths()
    assert not (tmp_path / "sprung").exists()
