"""A bridge of its own for a Docker engine: two engines on one would give out the same addresses."""

import contextlib
import os
import re
import shutil
import subprocess
from typing import Self

_PREFIX = "tmb"
_NETWORK = "10.213"  # a block for private use that engines do not hand out themselves
_LIMIT_S = 10.0


class Bridge:
    """A bridge with a free /24; named after the process that made it, so that a dead one's is found."""

    def __init__(self) -> None:
        """Makes nothing yet."""
        self.name = ""

    def make(self) -> Self:
        """Removes what dead processes left, and makes one.

        Raises:
            OSError: every network of the block is taken, or the system refuses.
        """
        for owner, name in _present():
            if not _lives(owner):
                _ip("link", "delete", name)
        taken = _ip("-4", "-oneline", "address")
        for third in range(256):
            address = f"{_NETWORK}.{third}.1/24"
            if f" {_NETWORK}.{third}." in taken:
                continue
            self.name = f"{_PREFIX}{os.getpid()}x{third}"
            _ip("link", "add", self.name, "type", "bridge")
            _ip("address", "add", address, "dev", self.name)
            _ip("link", "set", self.name, "up")
            return self
        raise OSError(f"every network of {_NETWORK}.0.0/16 is taken")

    def remove(self) -> None:
        """Removes it; nothing where it is gone."""
        if self.name:
            with contextlib.suppress(OSError):
                _ip("link", "delete", self.name)
            self.name = ""


def _present() -> list[tuple[int, str]]:
    bridges = _ip("-oneline", "link", "show", "type", "bridge")
    found = re.findall(rf"^\d+: ({_PREFIX}(\d+)x\d+):", bridges, re.MULTILINE)
    return [(int(owner), name) for name, owner in found]


def _lives(pid: int) -> bool:
    return os.path.exists(f"/proc/{pid}")  # noqa: PTH110 - one question, no path kept


def _ip(*arguments: str) -> str:
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
    program = shutil.which("ip", path=path) or "ip"
    done = subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=_LIMIT_S, check=False, encoding="utf-8"
    )
    if done.returncode != 0:
        raise OSError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout
