"""What a built tree is, by its content. Must not know how it was built."""

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from tminus.domain.problem import Problem, ProblemError

_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Content:
    """A tree of files.

    Attributes:
        digest: `sha256:` and the hexadecimal digest of every path, kind, executable bit and content.
        files: number of regular files and symbolic links.
        bytes: sum of the sizes of regular files.
    """

    digest: str
    files: int
    bytes: int


def content_of(directory: Path) -> Content:
    """Reads the whole tree under `directory`.

    The digest is SHA-256 over one record per entry, sorted by the bytes of its path:
    `KIND SP CONTENT NUL PATH NUL`, where KIND is `d` directory, `f` file, `x` executable file (by its
    owner), `l` symbolic link, and CONTENT the SHA-256 of a file's bytes or of a link's target (`-` for a
    directory). Owners, times and other mode bits do not count.

    Raises:
        ProblemError: `artifact-unreadable`: a socket, device or pipe, or a file that cannot be read.
    """
    whole = hashlib.sha256()
    files = size = 0
    for path, name in sorted(_entries(directory), key=lambda entry: entry[1]):
        try:
            kind, content, length = _entry(path)
        except OSError as error:
            raise _unreadable(path, error.strerror or "it cannot be read") from error
        whole.update(b"%s %s\0%s\0" % (kind.encode(), content.encode(), name))
        files += kind != "d"
        size += length
    return Content(f"sha256:{whole.hexdigest()}", files, size)


def artifact_path(artifacts_directory: Path, digest: str) -> Path:
    """Where the artifact with that digest stands, there or not.

    Raises:
        ValueError: that is no digest, so it must not become a path.
    """
    algorithm, _, value = digest.partition(":")
    if algorithm != "sha256" or len(value) != hashlib.sha256().digest_size * 2 or not value.isalnum():
        raise ValueError(f"{digest!r} is no sha256 digest")
    return artifacts_directory / value


def verify_artifact(artifacts_directory: Path, digest: str) -> Content:
    """Reads the artifact again and compares.

    Raises:
        ProblemError: `artifact-missing`, `artifact-changed`, `artifact-unreadable`.
    """
    path = artifact_path(artifacts_directory, digest)
    if not path.is_dir():
        raise ProblemError(
            Problem("artifact-missing", "the artifact is not there", str(path), fix="build the release again")
        )
    content = content_of(path)
    if content.digest != digest:
        raise ProblemError(
            Problem(
                "artifact-changed",
                f"the artifact is not what was built: it has {content.digest}",
                str(path),
                why="a file in it was added, removed or changed after the build",
                fix="move that directory away, keep it as evidence, and build the release again",
            )
        )
    return content


def protect(directory: Path) -> None:
    """Takes the right to write from everything in the tree, so that nothing changes it by accident.

    The top directory itself stays writable: it could not be moved otherwise.
    """
    for path, _ in _entries(directory):
        if not path.is_symlink():
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o222)


def remove_tree(directory: Path) -> None:
    """Removes a tree, a protected one too; nothing happens where there is none.

    Raises:
        OSError: it belongs to somebody else.
    """
    if not directory.exists():
        return
    for root, directories, names in os.walk(directory, topdown=True):
        Path(root).chmod(0o700)
        for name in names:
            (Path(root) / name).unlink()
        for name in list(directories):
            if (Path(root) / name).is_symlink():
                (Path(root) / name).unlink()
                directories.remove(name)
    for root, _, _ in os.walk(directory, topdown=False):
        Path(root).rmdir()


def _entries(directory: Path) -> list[tuple[Path, bytes]]:
    found: list[tuple[Path, bytes]] = []
    for root, directories, names in os.walk(directory):
        for name in (*directories, *names):
            path = Path(root) / name
            found.append((path, os.fsencode(path.relative_to(directory))))
    return found


def _entry(path: Path) -> tuple[str, str, int]:
    """Kind, content and length of one entry."""
    state = path.lstat()
    if stat.S_ISLNK(state.st_mode):
        return "l", hashlib.sha256(os.fsencode(path.readlink())).hexdigest(), 0
    if stat.S_ISDIR(state.st_mode):
        return "d", "-", 0
    if not stat.S_ISREG(state.st_mode):
        raise _unreadable(path, "it is neither a file, a directory nor a symbolic link")
    content = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            content.update(chunk)
    return ("x" if state.st_mode & stat.S_IXUSR else "f"), content.hexdigest(), state.st_size


def _unreadable(path: Path, why: str) -> ProblemError:
    return ProblemError(
        Problem(
            "artifact-unreadable",
            f"the artifact holds something that cannot be read: {path.name}",
            str(path),
            why=why,
            fix="let the build leave only files, directories and symbolic links that its user can read",
        )
    )
