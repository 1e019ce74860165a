"""Every file of a commit, written as git keeps it. Must not ask `.gitattributes` what to leave out.

`git archive` leaves out what is marked `export-ignore`, and a checkout runs filters; what looks for something
in a commit must see all of it.
"""

import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO

from tminus.adapters.git.command import CALL_LIMIT_S, git_argv, git_environment, run_git
from tminus.ports.fault import Unavailable

_CHUNK_BYTES = 1024 * 1024
_LINE_BYTES = 200  # of what stands before each file: an id, a kind, a length


def write_files(
    repository: Path,
    environment: Mapping[str, str],
    commit: str,
    directory: Path,
    limit_s: float = CALL_LIMIT_S,
) -> int:
    """Writes the files of a commit below an empty directory, and returns how many there are.

    A symbolic link becomes a file that holds where it leads, and a submodule is left out.

    Raises:
        Unavailable: `git-unavailable`: no git, no such commit, no answer in time, a path that leads outside,
            or nothing can be written.
    """
    listing = run_git(repository, environment, "ls-tree", "-r", "-z", "--full-tree", commit, limit_s=limit_s)
    files = list(_blobs(listing))
    held = directory.with_name(f"{directory.name}.blobs")
    try:
        with held.open("w+b") as output:
            done = subprocess.run(
                git_argv(repository, "cat-file", "--batch"),
                env=git_environment(environment),
                input="".join(f"{blob}\n" for blob, _ in files).encode(),
                stdout=output,
                stderr=subprocess.DEVNULL,
                timeout=limit_s,
                check=False,
            )
            if done.returncode:
                raise Unavailable("git-unavailable", f"git cat-file of {commit} ended with {done.returncode}")
            output.seek(0)
            for blob, path in files:
                _write(output, blob, directory / path)
    except subprocess.TimeoutExpired as error:
        why = f"git cat-file did not answer within {limit_s:g} s"
        raise Unavailable("git-unavailable", why) from error
    except OSError as error:
        raise Unavailable("git-unavailable", f"a file of {commit}: {error.strerror}") from error
    finally:
        held.unlink(missing_ok=True)
    return len(files)


def _blobs(listing: str) -> Iterator[tuple[str, PurePosixPath]]:
    for entry in listing.split("\0"):
        head, tab, name = entry.partition("\t")
        if not tab or head.split()[1] != "blob":
            continue
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts:
            raise Unavailable("git-unavailable", f"{name} leads outside")
        yield head.split()[2], path


def _write(output: IO[bytes], blob: str, target: Path) -> None:
    head = output.readline(_LINE_BYTES).split()
    if head[:2] != [blob.encode(), b"blob"]:
        raise Unavailable("git-unavailable", f"git has no content of {blob}")
    left = int(head[2])
    target.parent.mkdir(parents=True, exist_ok=True)
    # Git's trees name every path once, and hold files or folders alone here: nothing can be a link.
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        while left:
            content = output.read(min(left, _CHUNK_BYTES))
            if not content:
                raise Unavailable("git-unavailable", f"the content of {blob} is cut off")
            file.write(content)
            left -= len(content)
    output.read(1)
