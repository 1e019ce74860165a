"""The build of an artifact from a tag in git."""

import hashlib
import json
import os
import re
import stat
import tarfile
import threading
from pathlib import Path

import pytest

from tests.contract.git import Builder, GitHarness, leftovers
from tminus.adapters.git.artifact import content_of, remove_tree, verify_artifact
from tminus.adapters.git.unpack import UnpackError, unpack
from tminus.domain.canonical import Json
from tminus.domain.problem import ProblemError


@pytest.fixture
def git(tmp_path: Path) -> GitHarness:
    return GitHarness(tmp_path)


@pytest.fixture
def builder(git: GitHarness, tmp_path: Path) -> Builder:
    return Builder(git, tmp_path)


def test_an_artifact_is_the_tags_tree_and_not_the_work_tree(builder: Builder) -> None:
    builder.git.write("readme.txt", "changed, not committed\n")
    builder.git.write("stray.txt", "")
    result = builder.build()
    path = builder.path(result)
    assert {entry.name for entry in path.iterdir()} == {"readme.txt", "run.sh", "link"}
    assert (path / "readme.txt").read_text(encoding="utf-8") == "hello\n"
    assert (result["commit"], result["tag"], result["files"], result["bytes"]) == (
        builder.commit,
        "v1",
        3,
        16,
    )


def test_the_digest_is_that_of_the_content_and_nothing_else(builder: Builder, tmp_path: Path) -> None:
    digest = builder.build()["digest"]
    # The format spelt out once more, so that a change is noticed: stored launches carry these digests.
    entries = [("l", b"readme.txt", "link"), ("f", b"hello\n", "readme.txt"), ("x", b"#!/bin/sh\n", "run.sh")]
    lines = [f"{kind} {hashlib.sha256(content).hexdigest()}\0{name}\0" for kind, content, name in entries]
    assert digest == f"sha256:{hashlib.sha256(''.join(lines).encode()).hexdigest()}"
    copy = tmp_path / "copy"
    copy.mkdir(mode=0o700)
    (copy / "run.sh").write_text("#!/bin/sh\n", encoding="utf-8")
    (copy / "run.sh").chmod(0o700)
    (copy / "link").symlink_to("readme.txt")
    (copy / "readme.txt").write_text("hello\n", encoding="utf-8")
    assert content_of(copy).digest == digest


@pytest.mark.req("R4")
@pytest.mark.parametrize(
    "change",
    [
        lambda tree: (tree / "a").write_text("2", encoding="utf-8"),
        lambda tree: (tree / "a").rename(tree / "b"),
        lambda tree: (tree / "a").chmod(0o755),
        lambda tree: (tree / "new").write_text("", encoding="utf-8"),
        lambda tree: (tree / "empty").mkdir(),
        lambda tree: (tree / "a").unlink(),
        lambda tree: ((tree / "a").unlink(), (tree / "a").symlink_to("1")),
    ],
)
def test_every_change_of_content_changes_the_digest(tmp_path: Path, change: object) -> None:
    assert callable(change)
    (tmp_path / "a").write_text("1", encoding="utf-8")
    (tmp_path / "c").write_text("1", encoding="utf-8")
    before = content_of(tmp_path).digest
    change(tmp_path)
    assert content_of(tmp_path).digest != before


def test_nothing_of_an_artifact_may_be_written(builder: Builder) -> None:
    path = builder.path(builder.build("sh", "-c", "mkdir -p sub && echo made > sub/made"))
    entries = [path, *(entry for entry in path.rglob("*") if not entry.is_symlink())]
    assert [entry for entry in entries if stat.S_IMODE(entry.stat().st_mode) & 0o222] == []
    assert (path / "sub" / "made").read_text(encoding="utf-8") == "made\n"
    assert os.access(path / "run.sh", os.X_OK)


@pytest.mark.req("R4")
def test_the_same_commit_and_command_are_built_once(builder: Builder, tmp_path: Path) -> None:
    command = ("sh", "-c", f"echo ran >> {tmp_path}/runs; date +%s%N > when")
    first = builder.build(*command)
    assert builder.build(*command) == first
    assert (tmp_path / "runs").read_text(encoding="utf-8") == "ran\n"


def test_builds_at_the_same_time_build_once(builder: Builder, tmp_path: Path) -> None:
    command = ("sh", "-c", f"echo ran >> {tmp_path}/runs; date +%s%N > when")
    digests: list[Json] = []
    threads = [
        threading.Thread(target=lambda: digests.append(builder.build(*command)["digest"])) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(digests) == 4
    assert len(set(map(str, digests))) == 1
    assert (tmp_path / "runs").read_text(encoding="utf-8") == "ran\n"


@pytest.mark.req("R4")
def test_a_tag_that_is_not_there_is_made_once_annotated_on_the_planned_commit(builder: Builder) -> None:
    builder.git.commit()
    results = [builder.tagging() for _ in range(2)]
    assert [(result["tagged"], result["commit"]) for result in results] == [
        (True, builder.commit),
        (False, builder.commit),
    ]
    read = builder.git.releases().read_tag("v2")
    assert (read.commit, read.annotated) == (builder.commit, True)
    message = builder.git.git("tag", "--list", "--format=%(contents)", "v2").strip()
    assert message == "shop 2.0.0\n\nTagged by tminus for the launch shop-2.0.0."


def test_without_being_asked_for_no_tag_is_made(builder: Builder) -> None:
    with pytest.raises(ProblemError, match="tag-missing"):
        builder.tagging(subject="")
    assert builder.git.git("tag", "--list", "v2") == ""


@pytest.mark.parametrize(("annotated", "code"), [(True, "tag-moved"), (False, "tag-not-annotated")])
def test_a_tag_that_was_made_meanwhile_is_judged_and_left_alone(
    builder: Builder, code: str, *, annotated: bool
) -> None:
    other = builder.git.commit()
    builder.git.tag("v2", annotated=annotated)
    with pytest.raises(ProblemError, match=code):
        builder.tagging()
    assert builder.git.releases().read_tag("v2").commit == other


def test_a_tagger_without_a_name_is_called_tminus_and_one_with_a_name_by_it(builder: Builder) -> None:
    builder.tagging()
    builder.git.git("config", "user.name", "Ada")
    builder.git.git("config", "user.email", "ada@example.org")
    builder.git.git("config", "tag.gpgSign", "true")
    builder.tagging("v3")
    taggers = builder.git.git("tag", "--list", "--format=%(taggername) %(taggeremail)", "v2", "v3")
    assert taggers.splitlines()[-1] == "Ada <ada@example.org>"


def test_what_a_killed_build_left_is_cleared(builder: Builder) -> None:
    builder.build()
    index = next((builder.artifacts / "index").glob("*.json"))
    (builder.artifacts / f".building-{index.stem}-old" / "tree").mkdir(parents=True)
    builder.build()
    assert leftovers(builder) == []


def test_a_build_knows_the_time_of_its_commit_and_no_other_variable(
    builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The job's own environment is scrubbed by whoever started it; this looks at what the build adds.
    for name in list(os.environ):
        if name != "PATH":
            monkeypatch.delenv(name)
    path = builder.path(builder.build("sh", "-c", "env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= > seen"))
    seen = dict(line.split("=", 1) for line in (path / "seen").read_text(encoding="utf-8").splitlines())
    assert seen.keys() == {"PATH", "SOURCE_DATE_EPOCH", "PYTHONDONTWRITEBYTECODE"}
    assert seen["SOURCE_DATE_EPOCH"] == builder.git.git("show", "-s", "--format=%ct", "v1^{commit}").strip()


def test_a_missing_tag_says_how_to_make_it(builder: Builder) -> None:
    builder.git.git("tag", "--delete", "v1")
    problem = builder.problem()
    assert problem.code == "tag-missing"
    assert problem.what == (
        f"{builder.git.repository} has no tag 'v1' that names a commit; "
        "create it with: git tag --annotate v1 --message v1 COMMIT"
    )


def test_a_moved_tag_says_what_it_was_and_what_it_is(builder: Builder) -> None:
    now = builder.git.commit()
    builder.git.tag("v1", annotated=True)
    problem = builder.problem()
    assert problem.code == "tag-moved"
    assert problem.what == f"tag v1 was {builder.commit} when the launch was planned and is {now} now"
    assert f"git tag --force --annotate v1 --message v1 {builder.commit}" in problem.fix
    assert not builder.artifacts.exists()


def test_a_failing_command_shows_the_end_of_its_log_and_leaves_nothing(builder: Builder) -> None:
    problem = builder.problem("sh", "-c", "seq 100; echo broken >&2; exit 3")
    assert (problem.code, problem.what) == ("build-failed", "the build command ended with 3")
    assert problem.why.splitlines() == [*map(str, range(90, 101)), "broken"]
    assert leftovers(builder) == []
    assert [path for path in builder.artifacts.iterdir() if re.fullmatch("[0-9a-f]{64}", path.name)] == []


def test_a_command_that_cannot_be_run_is_a_failed_build(builder: Builder) -> None:
    problem = builder.problem("./no-such-program")
    assert problem.what == "the build command cannot be run: No such file or directory"


def test_a_command_past_its_deadline_is_ended(builder: Builder) -> None:
    problem = builder.problem("sh", "-c", "echo begun; exec sleep 60", deadline_ms=300)
    assert (problem.code, problem.why) == ("build-deadline", "begun")


def test_a_build_that_is_told_to_stop_says_so(builder: Builder) -> None:
    builder.stop.set()
    assert builder.problem("sleep", "60").code == "build-stopped"
    assert leftovers(builder) == []


def test_what_is_no_file_is_refused(builder: Builder) -> None:
    problem = builder.problem("mkfifo", "pipe")
    assert problem.code == "artifact-unreadable"
    assert problem.why == "it is neither a file, a directory nor a symbolic link"


@pytest.mark.parametrize(
    ("name", "target", "why"),
    [
        ("out", "../elsewhere", "the symbolic link out leads outside"),
        ("out", "/etc", "the symbolic link out leads outside"),
        ("sub/out", "../../elsewhere", "the symbolic link sub/out leads outside"),
    ],
)
def test_a_link_that_leads_out_of_the_tree_is_refused(
    builder: Builder, name: str, target: str, why: str
) -> None:
    link = builder.git.repository / name
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(target)
    builder.commit = builder.git.commit()
    builder.git.tag("v1", annotated=True)
    assert builder.problem().what == f"the tag's tree cannot be unpacked: {why}"
    assert leftovers(builder) == []


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ([("../x", "file")], "../x leads outside"),
        ([("/x", "file")], "/x leads outside"),
        ([("a/../../x", "file")], "a/../../x leads outside"),
        ([("a", "link"), ("a/x", "file")], "a/x lies below a symbolic link"),
        ([("pipe", "pipe")], "pipe is neither a directory, a file nor a symbolic link"),
        ([], "the archive is damaged"),
    ],
)
def test_an_archive_cannot_write_outside(tmp_path: Path, members: list[tuple[str, str]], why: str) -> None:
    kinds = {"file": tarfile.REGTYPE, "link": tarfile.SYMTYPE, "pipe": tarfile.FIFOTYPE}
    archive = tmp_path / "archive.tar"
    with tarfile.open(archive, "w") as tar:
        for name, kind in members:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kinds[kind], "."
            tar.addfile(member)
    if not members:
        archive.write_bytes(b"no archive")
    with pytest.raises(UnpackError) as error:
        unpack(archive, tmp_path / "tree")
    assert str(error.value) == why
    assert not (tmp_path / "x").exists()


@pytest.mark.req("R4")
def test_a_changed_artifact_is_found_and_not_launched(builder: Builder) -> None:
    result = builder.build()
    assert verify_artifact(builder.artifacts, str(result["digest"])).digest == result["digest"]
    path = builder.path(result)
    path.chmod(0o755)
    (path / "__pycache__").mkdir()
    assert builder.problem().code == "artifact-changed"
    remove_tree(path)
    with pytest.raises(ProblemError, match="artifact-missing"):
        verify_artifact(builder.artifacts, str(result["digest"]))
    assert builder.build() == result


@pytest.mark.parametrize(
    "digest", ["", "sha256:", "sha256:../../etc", "md5:" + "0" * 64, "sha256:" + "/" * 64]
)
def test_what_is_no_digest_never_becomes_a_path(tmp_path: Path, digest: str) -> None:
    with pytest.raises(ValueError, match="is no sha256 digest"):
        verify_artifact(tmp_path, digest)


def test_a_damaged_index_means_building_again(builder: Builder) -> None:
    result = builder.build()
    index = next((builder.artifacts / "index").glob("*.json"))
    assert json.loads(index.read_bytes())["commit"] == builder.commit
    index.write_text("{", encoding="utf-8")
    assert builder.build() == result
