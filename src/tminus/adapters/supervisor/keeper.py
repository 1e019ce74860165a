"""A second holder of one listening socket, for a supervisor that was killed and lost its own.

Run as a file of its own with nothing but the standard library: `python -I -S keeper.py PATH FD`. It hands the
socket to whoever may connect to the UNIX socket PATH, in the words that HAProxy uses: `_getsocks` is answered
by the number of sockets, then by the sockets themselves.
"""

import contextlib
import os
import socket
import struct
import sys

ANSWER_LIMIT_S = 1.0


def main(path: str, descriptor: int) -> None:
    """Serves until killed."""
    directory, name = os.path.split(path)
    os.chdir(directory)  # the name alone fits into a socket address, however long the path is
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name)  # noqa: PTH108 - pathlib would double the memory of this process
    os.umask(0o077)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(name)
    listener.listen(8)
    while True:
        connection, _ = listener.accept()
        with contextlib.suppress(OSError), connection:
            connection.settimeout(ANSWER_LIMIT_S)
            if connection.recv(64) == b"_getsocks\n":
                connection.sendall(struct.pack("i", 1))
                socket.send_fds(connection, [b"\0"], [descriptor])
                connection.recv(4)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
