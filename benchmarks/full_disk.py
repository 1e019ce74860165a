"""A disk for the journal that can be filled, without filling anybody else's."""

import contextlib
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

SIZE = "8m"
MOUNT_LIMIT_S = 10


@contextlib.contextmanager
def small_disk(folder: Path, journal: Path, *, wanted: bool) -> Iterator[None]:
    """Has `journal` lie on a small file system mounted at `folder`, where that is wanted and allowed."""
    journal.parent.mkdir(parents=True, mode=0o700)
    options = f"size={SIZE},mode=700"
    mounted = False
    if wanted and os.geteuid() == 0:
        folder.mkdir(mode=0o700)
        mounted = _run("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder))
    if mounted:
        journal.symlink_to(folder)
    try:
        yield
    finally:
        if mounted:
            _run("umount", "--lazy", str(folder))


def fill(journal: Path, pid: int) -> None:
    """No write to the journal succeeds any more: the disk is full, or its process may write no longer."""
    if journal.is_symlink():
        with contextlib.suppress(OSError), (journal / "filler").open("wb", buffering=0) as filler:
            while True:
                filler.write(b"\0" * 4_096)
    else:
        # Without the right to mount: every write beyond the first byte of a file fails for this process.
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))


def empty(journal: Path, pid: int) -> None:
    """Writes succeed again."""
    if journal.is_symlink():
        (journal / "filler").unlink(missing_ok=True)
        return
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def _run(*argv: str) -> bool:
    return subprocess.run(argv, check=False, capture_output=True, timeout=MOUNT_LIMIT_S).returncode == 0
