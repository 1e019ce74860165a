"""A second holder of one listening socket, that also brings a killed supervisor back.

Run as a file of its own with nothing but the standard library: `python -I -S keeper.py PATH FD DIR COMMAND`.
Whoever may connect to the UNIX socket PATH is handed a copy of the listening socket. COMMAND starts the
supervisor of DIR; it is run when a supervisor has ended without tidying up, so never after an orderly end.
"""

import contextlib
import fcntl
import os
import socket
import sys
import threading
import time

SUPERVISOR_SOCKET = "s.sock"  # removed by a supervisor that ends in order
SUPERVISOR_LOCK = "lock"  # held by a supervisor for its life
MARKER = "TMINUS_SUPERVISED"
AGAIN_S = 1.0  # after an attempt that failed, and between looks while nobody wants a supervisor


def main(path: str, descriptor: int, directory: str, command: list[str]) -> None:
    """Serves until killed."""
    os.set_inheritable(descriptor, False)  # noqa: FBT003 - takes no keyword
    threading.Thread(target=_revive, args=(directory, command), daemon=True).start()
    folder, name = os.path.split(path)
    os.chdir(folder)  # the name alone fits into a socket address, however long the path is
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name)  # noqa: PTH108 - pathlib would add to the memory that this process keeps for ever
    os.umask(0o077)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(name)
    listener.listen(8)
    while True:
        connection, _ = listener.accept()
        with contextlib.suppress(OSError), connection:
            socket.send_fds(connection, [b"s"], [descriptor])


def _revive(directory: str, command: list[str]) -> None:
    # Without the mark, or the supervisor would take itself for one of its programs.
    environment = {name: value for name, value in os.environ.items() if name != MARKER}
    lock = os.open(f"{directory}/{SUPERVISOR_LOCK}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    while True:
        # Returns at the moment at which no supervisor lives any more.
        fcntl.flock(lock, fcntl.LOCK_EX)
        fcntl.flock(lock, fcntl.LOCK_UN)
        wanted = os.path.exists(f"{directory}/{SUPERVISOR_SOCKET}")  # noqa: PTH110 - as above
        if not wanted or _run(command, environment) != 0:
            time.sleep(AGAIN_S)


def _run(command: list[str], environment: dict[str, str]) -> int:
    return os.spawnve(os.P_WAIT, command[0], command, environment)  # noqa: S606 - `subprocess` is large, and the command our own


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4:])
