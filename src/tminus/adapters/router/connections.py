"""Connections that a router's process has open to instances, as the kernel lists them.

For routers that count what has ended, and not what is under way. Linux only, and only where the processes
belong to the same user: nobody else may look at their descriptors.
"""

import contextlib
import ctypes
import os
import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tminus.domain.launch.slot import Slot
from tminus.ports.fault import Unavailable

_ESTABLISHED = "01"
_SYS_PIDFD_GETFD = 438  # the same on every architecture
_SOCKET = re.compile(r"socket:\[(\d+)\]")
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Open:
    """One connection: the slot it leads to, and the process and descriptor that hold it, 0 where hidden."""

    slot: Slot
    pid: int = 0
    descriptor: int = 0


def open_connections(pid: int, addresses: Mapping[Slot, tuple[str, ...]]) -> list[Open]:
    """Established connections of a process to the addresses (host:port) of both slots.

    Raises:
        Unavailable: `connections-hidden`, the process is gone or another user's.
    """
    slots = _slots_of(addresses)
    try:
        inodes = _sockets(pid)
        tables = [(_PROC / str(pid) / "net" / name).read_text(encoding="ascii") for name in ("tcp", "tcp6")]
    except OSError as error:
        why = f"the connections of process {pid} cannot be seen: {error.strerror}"
        raise Unavailable("connections-hidden", why) from error
    return [
        Open(slots[place], pid, inodes[inode])
        for place, inode in _established("".join(tables))
        if place in slots and inode in inodes
    ]


def all_connections(addresses: Mapping[Slot, tuple[str, ...]]) -> list[Open]:
    """The same of every process of this machine but the caller's own.

    Whose they are is known where this user may look.

    Raises:
        Unavailable: `connections-hidden`, the kernel does not list them.
    """
    slots = _slots_of(addresses)
    try:
        tables = [(_PROC / "net" / name).read_text(encoding="ascii") for name in ("tcp", "tcp6")]
    except OSError as error:
        why = f"the connections of this machine cannot be seen: {error.strerror}"
        raise Unavailable("connections-hidden", why) from error
    wanted = {inode: slots[place] for place, inode in _established("".join(tables)) if place in slots}
    owners = _owners(set(wanted))
    found = [Open(slot, *owners.get(inode, (0, 0))) for inode, slot in wanted.items()]
    return [each for each in found if each.pid != os.getpid()]


def _owners(inodes: set[str]) -> dict[str, tuple[int, int]]:
    """Process and descriptor of each socket, as far as this user may see them."""
    found: dict[str, tuple[int, int]] = {}
    if not inodes:
        return found
    for process in _PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            for inode, descriptor in _sockets(int(process.name)).items():
                if inode in inodes:
                    found[inode] = int(process.name), descriptor
    return found


def _sockets(pid: int) -> dict[str, int]:
    """Descriptors of a process's sockets by inode."""
    found: dict[str, int] = {}
    for entry in os.scandir(_PROC / str(pid) / "fd"):
        with contextlib.suppress(OSError):
            link = os.readlink(entry.path)  # noqa: PTH115 - thousands of them, several times a second
            if match := _SOCKET.fullmatch(link):
                found[match[1]] = int(entry.name)
    return found


def _slots_of(addresses: Mapping[Slot, tuple[str, ...]]) -> dict[tuple[str, int], Slot]:
    return {place: slot for slot in Slot for address in addresses.get(slot, ()) for place in _places(address)}


def cut(connection: Open) -> bool:
    """Ends a connection for both sides; whether the kernel let us."""
    if not connection.pid:
        return False
    try:
        pidfd = os.pidfd_open(connection.pid)
    except OSError:
        return False
    try:
        copy: int = ctypes.CDLL(None).syscall(_SYS_PIDFD_GETFD, pidfd, connection.descriptor, 0)
    finally:
        os.close(pidfd)
    # Refused where ptrace is.
    if copy < 0:
        return False
    with socket.socket(fileno=copy) as taken, contextlib.suppress(OSError):
        taken.shutdown(socket.SHUT_RDWR)
    return True


def _established(table: str) -> Iterator[tuple[tuple[str, int], str]]:
    """Remote place and inode of every connection in tables of the kernel."""
    for line in table.splitlines():
        fields = line.split()
        if len(fields) > 9 and fields[3] == _ESTABLISHED:  # noqa: PLR2004 - columns of the kernel's table
            host, _, port = fields[2].partition(":")
            yield (_address(host), int(port, 16)), fields[9]


def _address(text: str) -> str:
    """The kernel writes words of four bytes in the machine's order."""
    words = [int(text[at : at + 8], 16).to_bytes(4, "little") for at in range(0, len(text), 8)]
    packed = b"".join(words)
    if len(packed) == 4:  # noqa: PLR2004 - an IPv4 address
        return socket.inet_ntop(socket.AF_INET, packed)
    found = socket.inet_ntop(socket.AF_INET6, packed)
    return found.removeprefix("::ffff:")


def _places(address: str) -> list[tuple[str, int]]:
    host, _, port = address.rpartition(":")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)
    except OSError:
        return []  # what has no address has no connection
    return [(str(each[4][0]), int(port)) for each in found]
