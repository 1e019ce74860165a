"""Small files written so that a crash leaves the old or the new content, never half of one."""

import os
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp


def replace_file(path: Path, content: bytes) -> None:
    """Puts `content` at `path`, readable by its owner alone until the caller says otherwise.

    Raises:
        OSError: nothing changed at `path`, or only its directory entry is not yet on the medium.
    """
    temporary = _written_beside(path, content)
    try:
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def create_file(path: Path, content: bytes) -> bool:
    """Puts `content` at `path` with mode 0600 unless a file is there; whether it did.

    Raises:
        OSError: nothing changed at `path`.
    """
    temporary = _written_beside(path, content)
    try:
        os.link(
            temporary, path
        )  # unlike a rename, refuses to replace what another process was first to write
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)
    return True


def _written_beside(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, name = mkstemp(dir=path.parent, prefix=f".{path.name[:64]}.")  # made with mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        with suppress(OSError):
            Path(name).unlink()
        raise
    return Path(name)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
