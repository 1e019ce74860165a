"""The tree inside an archive that git made. Must not write, or lead, outside of where it is unpacked.

The standard library's own filter does this too, but not in the Python 3.11 that Debian 12 has.
"""

import os
import tarfile
from pathlib import Path, PurePosixPath


class UnpackError(ValueError):
    """The archive holds what must not be unpacked."""


def unpack(archive: Path, directory: Path) -> None:
    """Unpacks directories, files and symbolic links; files keep their executable bit and nothing else.

    Raises:
        UnpackError: a path or a link leads outside, something else than these three is in it, or it is
            damaged.
        OSError: it cannot be written.
    """
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                _unpack_member(tar, member, directory)
    except tarfile.TarError as error:
        raise UnpackError("the archive is damaged") from error


def _unpack_member(tar: tarfile.TarFile, member: tarfile.TarInfo, directory: Path) -> None:
    path = PurePosixPath(member.name)
    if not _stays_inside(path):
        raise UnpackError(f"{member.name} leads outside")
    # A link among the parents would lead what is below it somewhere else.
    if any((directory / parent).is_symlink() for parent in path.parents):
        raise UnpackError(f"{member.name} lies below a symbolic link")
    target = directory / path
    target.parent.mkdir(parents=True, exist_ok=True)
    if member.isdir():
        target.mkdir(exist_ok=True)
    elif member.issym():
        if not _stays_inside(path.parent / member.linkname):
            raise UnpackError(f"the symbolic link {member.name} leads outside")
        target.symlink_to(member.linkname)
    elif member.isreg():
        _write(tar, member, target)
    else:
        raise UnpackError(f"{member.name} is neither a directory, a file nor a symbolic link")


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    source = tar.extractfile(member)
    if source is None:
        raise UnpackError(f"{member.name} has no content")
    executable = bool(member.mode & 0o100)
    # Never over something that is there: git's trees name every path once.
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o755 if executable else 0o644)
    with source, os.fdopen(descriptor, "wb") as file:
        while chunk := source.read(1024 * 1024):
            file.write(chunk)


def _stays_inside(path: PurePosixPath) -> bool:
    depth = 0
    for part in path.parts:
        depth += -1 if part == ".." else 1
        if part == "/" or depth < 0:
            return False
    return True
