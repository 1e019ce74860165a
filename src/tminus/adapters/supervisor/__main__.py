"""`python -m tminus.adapters.supervisor --directory DIR`: becomes a daemon, and returns once it serves.

With `--foreground` it stays, for whoever keeps it: while another serves the directory it stands by.
"""

import argparse
import fcntl
import os
import sys
import traceback
from pathlib import Path

from tminus.adapters.supervisor.server import Server

LOCK = "lock"
LOG = "supervisor.log"
LOG_LIMIT_BYTES = 1024 * 1024


def main() -> int:
    """0 once a supervisor serves the directory, this one or another; else 1 and the reason."""
    parser = argparse.ArgumentParser(prog="tminus-supervisor", description=__doc__)
    parser.add_argument("--directory", type=Path, required=True, help="where its state is kept")
    parser.add_argument("--foreground", action="store_true", help="stay; for an init system")
    options = parser.parse_args()
    directory: Path = options.directory
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if options.foreground:
        return _stay(directory)
    reader, writer = os.pipe()
    if os.fork():
        os.close(writer)
        with os.fdopen(reader, encoding="utf-8") as pipe:
            why = pipe.read()
        sys.stderr.write(why)
        return 1 if why else 0
    os.close(reader)
    os.setsid()
    os.umask(0o077)
    _serve(directory, writer)
    return 0


def _stay(directory: Path) -> int:
    """Serves in this process, after whoever serves now."""
    os.umask(0o077)
    lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    Server(directory).run()
    return 0


def _serve(directory: Path, ready: int) -> None:
    # Held for life and not inherited by programs, so there is one supervisor per directory at any time.
    lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os._exit(0)
    try:
        server = Server(directory)
        _detach(directory)
    except Exception:  # noqa: BLE001 - whoever waits must hear of it, whatever it is
        os.write(ready, traceback.format_exc().encode())
        os._exit(1)
    os.close(ready)
    try:
        server.run()
    except Exception:  # noqa: BLE001 - the last word of a daemon goes to its log
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _detach(directory: Path) -> None:
    """Lets go of the terminal and of whoever waits for our output to end."""
    os.chdir("/")
    log = directory / LOG
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        log.replace(log.with_name(f"{LOG}.1"))
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.close(output)
    os.close(null)


if __name__ == "__main__":
    sys.exit(main())
