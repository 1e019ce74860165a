"""Starts Traefik in its own place: with the committed route, and with the socket that it inherits.

Run as a program of its own by the supervisor: `start.py FD PROGRAM [PREDECESSOR…]`. Traefik takes sockets
as systemd hands them over: from descriptor 3 on, with its own process number in the environment. Must
import the standard library only, so that a start takes no time.
"""

import contextlib
import os
import signal
import sys

ENTRY_POINT = "public"
COMMITTED, LIVE, STATIC = "committed.yaml", "live.yaml", "traefik.yaml"
_FIRST = 3  # where systemd, and so Traefik, begins to count


def main() -> None:
    """Becomes Traefik."""
    descriptor, program, *predecessors = sys.argv[1:]
    _forget_trial()
    for pid in predecessors:
        # It finishes what it has begun; who connects meanwhile waits at the shared socket.
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGTERM)
    os.dup2(int(descriptor), _FIRST)
    kept = {name: value for name, value in os.environ.items() if name.startswith("TMINUS_")}
    handed = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": ENTRY_POINT}
    os.execve(program, [program, f"--configFile={STATIC}"], {**kept, **handed})  # noqa: S606 - no shell is meant


def _forget_trial() -> None:
    """A trial is forgotten with the process that served it. In place: a full disk must not stop a start."""
    with open(COMMITTED, "rb") as committed:  # noqa: PTH123 - importing pathlib takes longer than the rest
        content = committed.read()
    live = os.open(LIVE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        room = os.fstat(live).st_size
        os.pwrite(live, content + b" " * max(0, room - len(content)), 0)
    finally:
        os.close(live)


if __name__ == "__main__":
    main()
