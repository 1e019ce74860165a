"""The work `build`: a tag's tree becomes an artifact, once. Must not touch anybody's work tree."""

import contextlib
import fcntl
import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from tminus.adapters.git.artifact import artifact_path, content_of, protect, remove_tree, verify_artifact
from tminus.adapters.git.command import CALL_LIMIT_S, git_argv, git_environment, run_git
from tminus.adapters.git.tag import ensure_tag
from tminus.adapters.git.unpack import UnpackError, unpack
from tminus.domain.canonical import Json, canonical_bytes, digest_of
from tminus.domain.problem import Problem, ProblemError
from tminus.ports.fault import PortFault

_ARCHIVE_LIMIT_S = 300.0  # a repository of some gigabytes on a slow disk
_LOOK_S = 0.05  # how often a running build is looked at
_TAIL_LINES = 12  # of the build's log: enough to see what failed, short enough for a chat message
_TAIL_BYTES = 16 * 1024
_STOP_LIMIT_S = 3.0  # of the job's grace of 5 s, so that the work can still say what happened


@dataclass(frozen=True, slots=True)
class _Order:
    """Arguments of the work, see `build`."""

    repository: Path
    tag: str
    commit: str
    command: tuple[str, ...]
    artifacts: Path
    deadline_ms: int | None
    message: str = ""

    @property
    def key(self) -> str:
        """Names what is built: the same commit with the same command is built once."""
        identity: Json = {"commit": self.commit, "command": list(self.command)}
        return digest_of(identity).removeprefix("sha256:")


def build(arguments: Json, directory: Path, stop: threading.Event) -> Json:
    """Builds the artifact of a commit, or finds the one built before.

    The commit's tree is unpacked beside its final place, the command runs in it with the environment of
    the job (plus SOURCE_DATE_EPOCH, the time of the commit), and the result is write-protected and renamed
    to ARTIFACTS/HEX-DIGEST. What the command prints goes to `build.log` in the job's directory.

    Args:
        arguments: `repository` (path), `tag`, `commit` (full id as planned), `command` (argument vector,
            may be empty), `artifacts_directory` (path), optionally `deadline_ms` for the command, and
            `make_tag`: the first line of an annotated tag that is put on the commit where there is none
            yet, with `launch` in its last.
        directory: of the job.
        stop: ends the command.

    Returns:
        `{"digest", "commit", "tag", "tagged", "files", "bytes"}`; the digest starts with `sha256:`, and
        `tagged` tells whether the tag was made here.

    Raises:
        ProblemError: `tag-missing`, `tag-moved`, `tag-not-annotated`, `build-failed`, `build-stopped`,
            `build-deadline`, `artifact-changed`, `artifact-unreadable`, `artifacts-unwritable`,
            `git-unavailable`.
    """
    order = _order(cast("Mapping[str, Json]", arguments))
    try:
        tagged = _check_tag(order)
        order.artifacts.mkdir(parents=True, exist_ok=True)
        with _alone(order, stop):
            digest = _built_before(order) or _build(order, directory, stop)
        content = verify_artifact(order.artifacts, digest)
    except PortFault as fault:
        raise ProblemError(Problem(fault.code, fault.why, str(order.repository))) from fault
    except OSError as error:
        raise ProblemError(
            Problem(
                "artifacts-unwritable",
                f"the artifact could not be written: {error.strerror or error}",
                str(order.artifacts),
                fix="make room there and give the agent's user the right to write, then build again",
            )
        ) from error
    return {
        "digest": content.digest,
        "commit": order.commit,
        "tag": order.tag,
        "tagged": tagged,
        "files": content.files,
        "bytes": content.bytes,
    }


def _order(arguments: Mapping[str, Json]) -> _Order:
    return _Order(
        Path(cast("str", arguments["repository"])),
        cast("str", arguments["tag"]),
        cast("str", arguments["commit"]),
        tuple(cast("list[str]", arguments["command"])),
        Path(cast("str", arguments["artifacts_directory"])),
        cast("int | None", arguments.get("deadline_ms")),
        _message(arguments),
    )


def _message(arguments: Mapping[str, Json]) -> str:
    subject, launch = str(arguments.get("make_tag") or ""), str(arguments.get("launch") or "")
    return f"{subject}\n\nTagged by tminus for the launch {launch}.\n" if subject else ""


def _check_tag(order: _Order) -> bool:
    """Whether the tag was made now; it is that of the planned commit."""
    now, made = ensure_tag(order.repository, order.tag, order.commit, order.message)
    if now.commit != order.commit:
        raise ProblemError(
            Problem(
                "tag-moved",
                f"tag {order.tag} was {order.commit} when the launch was planned and is {now.commit} now",
                str(order.repository),
                why="what was approved is the planned commit, and a tag that moves names two releases",
                fix=f"tag the new commit with another version and plan that, or put the tag back: "
                f"git tag --force --annotate {order.tag} --message {order.tag} {order.commit}",
            )
        )
    return made


@contextlib.contextmanager
def _alone(order: _Order, stop: threading.Event) -> Iterator[None]:
    """One build of the same thing at a time; the second finds what the first has built."""
    with (order.artifacts / f".lock-{order.key}").open("ab") as lock:
        while not _try_lock(lock.fileno()):
            if stop.wait(_LOOK_S):
                raise _stopped()
        for leftover in order.artifacts.glob(f".building-{order.key}-*"):
            remove_tree(leftover)
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _built_before(order: _Order) -> str | None:
    try:
        entry = json.loads((order.artifacts / "index" / f"{order.key}.json").read_bytes())
        digest = str(entry["digest"])
        return digest if artifact_path(order.artifacts, digest).is_dir() else None
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _build(order: _Order, directory: Path, stop: threading.Event) -> str:
    place = Path(tempfile.mkdtemp(prefix=f".building-{order.key}-", dir=order.artifacts))
    try:
        tree = place / "tree"
        tree.mkdir()
        _unpack(order, tree, place / "tree.tar")
        if order.command:
            _run(order, tree, directory / "build.log", stop)
        content = content_of(tree)
        target = artifact_path(order.artifacts, content.digest)
        if not target.exists():
            protect(tree)
            os.sync()  # the index must never name content that a power cut then takes away
            tree.rename(target)
            target.chmod(0o555)
    finally:
        remove_tree(place)
    _note(order, content.digest)
    return content.digest


def _unpack(order: _Order, tree: Path, archive: Path) -> None:
    argv = git_argv(order.repository, "archive", "--format=tar", order.commit)
    with archive.open("wb") as file:
        try:
            done = subprocess.run(
                argv,
                env=git_environment(os.environ),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.PIPE,
                timeout=_ARCHIVE_LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise _failed(order, f"git archive took longer than {_ARCHIVE_LIMIT_S:g} s", "") from error
    if done.returncode != 0:
        raise _failed(order, "git archive failed", os.fsdecode(done.stderr))
    try:
        unpack(archive, tree)
    except UnpackError as error:
        raise _failed(order, f"the tag's tree cannot be unpacked: {error}", "") from error
    archive.unlink()


def _run(order: _Order, tree: Path, log: Path, stop: threading.Event) -> None:
    limit_s = None if order.deadline_ms is None else order.deadline_ms / 1000
    ends_at = None if limit_s is None else time.monotonic() + limit_s
    environment = {**os.environ, "SOURCE_DATE_EPOCH": _commit_time(order), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        with log.open("ab") as output:
            child = subprocess.Popen(
                order.command,
                cwd=tree,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
    except OSError as error:
        raise _failed(order, f"the build command cannot be run: {error.strerror}", "") from error
    while child.poll() is None:
        if stop.wait(_LOOK_S):
            _end(child)
            raise _stopped()
        if ends_at is not None and time.monotonic() > ends_at:
            _end(child)
            raise ProblemError(
                Problem(
                    "build-deadline",
                    f"the build command was not done within {order.deadline_ms} ms",
                    f"{order.repository} at {order.tag}",
                    why=_tail(log),
                    fix="raise `build.deadline` in launch.yaml, or make the build faster",
                )
            )
    if child.returncode != 0:
        raise _failed(order, f"the build command ended with {child.returncode}", _tail(log))


def _end(child: subprocess.Popen[bytes]) -> None:
    child.terminate()
    try:
        child.wait(_STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait(CALL_LIMIT_S)


def _commit_time(order: _Order) -> str:
    shown = run_git(order.repository, os.environ, "show", "--no-patch", "--format=%ct", order.commit, "--")
    return shown.strip()


def _note(order: _Order, digest: str) -> None:
    index = order.artifacts / "index"
    index.mkdir(exist_ok=True)
    temporary = index / f".{order.key}.tmp"
    entry: dict[str, Json] = {
        "digest": digest,
        "commit": order.commit,
        "tag": order.tag,
        "command": list(order.command),
    }
    with temporary.open("wb") as file:
        file.write(canonical_bytes(entry))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(index / f"{order.key}.json")


def _tail(log: Path) -> str:
    with contextlib.suppress(OSError), log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        lines = file.read(_TAIL_BYTES).decode(errors="replace").splitlines()
        return "\n".join(lines[-_TAIL_LINES:])
    return ""


def _failed(order: _Order, what: str, why: str) -> ProblemError:
    where = f"{order.repository} at {order.tag}"
    fix = "run the build command in a clean checkout of the tag, correct it, and tag a new version"
    return ProblemError(Problem("build-failed", what, where, why.strip(), fix))


def _stopped() -> ProblemError:
    return ProblemError(Problem("build-stopped", "the build was told to stop"))
