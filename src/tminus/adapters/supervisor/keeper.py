"""A second holder of one listening socket, for a supervisor that was killed and lost its own.

Run as a file of its own with nothing but the standard library: `python -I -S keeper.py PATH FD`. Whoever may
connect to the UNIX socket PATH is handed a copy of the listening socket.
"""

import contextlib
import os
import socket
import sys


def main(path: str, descriptor: int) -> None:
    """Serves until killed."""
    directory, name = os.path.split(path)
    os.chdir(directory)  # the name alone fits into a socket address, however long the path is
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


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
