"""Listening sockets: bind one, or take it back from a program that still has it. Must not keep them."""

import contextlib
import ctypes
import errno
import fcntl
import os
import re
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from tminus.adapters.supervisor import files
from tminus.ports.fault import Refused, Unavailable

BACKLOG = 4096  # connections that wait while the router is restarted; the kernel caps it at somaxconn
HAND_OVER_LIMIT_S = 1.0
_SYS_PIDFD_GETFD = 438  # the same on every architecture


@dataclass(frozen=True, slots=True)
class Held:
    """A listening socket under its name, as the state remembers it; `inode` tells it from every other."""

    name: str
    host: str
    port: int
    inode: int


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens at the address.

    Raises:
        Refused: `port-taken`, naming who holds it where that can be seen; `port-forbidden`,
            `address-unknown`.
        Unavailable: `socket-failed`.
    """
    place = f"{host}:{port}"
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
        )[0]
    except socket.gaierror as error:
        raise Refused("address-unknown", f"{place} is no address of this host: {error.strerror}") from error
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.settimeout(0)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise Refused("port-taken", f"{place} is in use{_holder(port)}") from error
        if error.errno in (errno.EACCES, errno.EPERM):
            raise Refused("port-forbidden", f"this user may not listen at {place}") from error
        if error.errno == errno.EADDRNOTAVAIL:
            raise Refused("address-unknown", f"{place} is no address of this host") from error
        raise Unavailable("socket-failed", f"cannot listen at {place}: {error.strerror}") from error
    return listener


def inode_of(descriptor: int) -> int:
    """The number that the kernel knows the socket by, the same in every process that has it."""
    return os.fstat(descriptor).st_ino


def recover(held: Held, pids: list[int], keeper: Path) -> socket.socket | None:
    """The very socket, out of one of the processes or from its keeper; None where nobody has it."""
    for pid in pids:
        if descriptor := _copied(pid, held.inode):
            return _adopted(descriptor)
    for descriptor in _handed_over(keeper):
        if inode_of(descriptor) == held.inode:
            return _adopted(descriptor)
        os.close(descriptor)
    return None


def _adopted(descriptor: int) -> socket.socket:
    listener = socket.socket(fileno=descriptor)
    fcntl.fcntl(descriptor, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
    listener.settimeout(0)
    return listener


def _copied(pid: int, inode: int) -> int | None:
    for number in _descriptors(pid, inode):
        with contextlib.suppress(OSError):
            pidfd = os.pidfd_open(pid)
            try:
                descriptor: int = ctypes.CDLL(None).syscall(_SYS_PIDFD_GETFD, pidfd, number, 0)
            finally:
                os.close(pidfd)
            # Refused where ptrace is; then the keeper is asked.
            if descriptor >= 0:
                return descriptor
    return None


def _handed_over(path: Path) -> list[int]:
    try:
        with files.dial(path, HAND_OVER_LIMIT_S) as connection:
            _, descriptors, _, _ = socket.recv_fds(connection, 1, 1)
            return descriptors
    except OSError:
        return []


def _descriptors(pid: int, inode: int) -> list[int]:
    numbers = []
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if str(entry.readlink()) == f"socket:[{inode}]":
                    numbers.append(int(entry.name))
    return numbers


def _holder(port: int) -> str:
    """` by pid 7 (nginx)` where this user may see it."""
    inodes = _listening_inodes(port)
    for entry in Path("/proc").glob("[0-9]*"):
        for inode in inodes:
            if _descriptors(int(entry.name), inode):
                with contextlib.suppress(OSError):
                    command = re.sub(r"\s+", " ", (entry / "comm").read_text(encoding="utf-8")).strip()
                    return f" by pid {entry.name} ({command})"
    return ""


def _listening_inodes(port: int) -> list[int]:
    inodes = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                    inodes.append(int(fields[9]))
    return inodes


assert sys.platform == "linux", "the supervisor needs /proc and pidfds"
