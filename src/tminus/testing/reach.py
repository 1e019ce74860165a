"""What another user can reach on this machine, and places and copies for what that user cannot."""

import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

LIMIT_S = 10.0
"""Longest look: it takes milliseconds."""

SHARED = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - folders are made in them under names that nobody can guess
"""Folders that everybody may enter on most machines, tried in this order after the one that TMPDIR names."""


def can_enter(folder: Path, who: pwd.struct_passwd) -> bool:
    """Whether that user can enter the folder and read what is in it. Only root may ask for another user."""
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", 'cd "$1" && test -r .', "sh", str(folder)],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=LIMIT_S,
            check=False,
            user=who.pw_uid,
            group=who.pw_gid,
            extra_groups=[],
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def place_for(who: pwd.struct_passwd, prefix: str, parents: Sequence[str] = ()) -> Path | None:
    """A new folder that the user can enter; None where there is none among the parents.

    Args:
        who: besides the caller.
        prefix: of its name.
        parents: tried in this order; the folder for temporary files and `SHARED` unless given.
    """
    for parent in parents or (tempfile.gettempdir(), *SHARED):
        try:
            made = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        except OSError:
            continue
        made.chmod(0o755)
        if can_enter(made, who):
            return made
        made.rmdir()
    return None


def copy_for_all(source: Path, target: Path, without: Sequence[str] = ()) -> None:
    """Copies a folder so that everybody can read, and run, what its owner can.

    Args:
        source: a folder.
        target: must not exist.
        without: patterns of names that are left out, such as `*.a`.
    """
    shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns(*without))
    for path in (target, *target.rglob("*")):
        if not path.is_symlink():
            mode = stat.S_IMODE(path.stat().st_mode)
            path.chmod(mode | (mode & 0o500) >> 3 | (mode & 0o500) >> 6)
