"""Ways to an engine: a UNIX socket, TCP, or SSH. Must not know what is said over them."""

import http.client
import os
import socket
import subprocess
from collections.abc import Mapping
from urllib.parse import urlsplit

from tminus.ports.fault import Refused

HOST_VARIABLE = "DOCKER_HOST"
_SOCKETS = ("/var/run/docker.sock", "/run/podman/podman.sock")
_SSH_CONNECT_S = 5  # as long as a person would wait for a prompt
_SSH_END_S = 2.0


def default_engine(environment: Mapping[str, str]) -> str:
    """The address of this machine's own engine: `DOCKER_HOST`, else the first socket that is there."""
    named = environment.get(HOST_VARIABLE, "")
    if named:
        return named
    runtime = environment.get("XDG_RUNTIME_DIR", "")
    candidates = [*_SOCKETS, *([f"{runtime}/podman/podman.sock"] if runtime else [])]
    found = next((path for path in candidates if os.path.exists(path)), candidates[0])  # noqa: PTH110 - a socket, not a path to work on
    return f"unix://{found}"


def host_of(engine: str) -> str:
    """The name of the machine behind that address; 127.0.0.1 for a socket of this one."""
    return urlsplit(engine).hostname or "127.0.0.1"


class Line(http.client.HTTPConnection):
    """A connection to an engine; `url` as in `DOCKER_HOST`."""

    def __init__(self, url: str, limit_s: float) -> None:
        """Connects nothing yet.

        Raises:
            Refused: `engine-address`: it is none of `unix://`, `tcp://`, `http://` and `ssh://`.
        """
        super().__init__("localhost", timeout=limit_s)
        self._url = url
        self._parts = urlsplit(url)
        self._tunnel_process: subprocess.Popen[bytes] | None = None
        if self._parts.scheme not in ("unix", "tcp", "http", "ssh"):
            why = (
                f"{url!r} is no address of an engine: write unix:///path, tcp://host:port or ssh://user@host"
            )
            raise Refused("engine-address", why)

    def connect(self) -> None:
        """Opens the way; see `http.client`."""
        limit_s = self.timeout
        if self._parts.scheme == "unix":
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(limit_s)
            self.sock.connect(self._parts.path)
        elif self._parts.scheme == "ssh":
            self.sock = self._dial()
        else:
            address = (self._parts.hostname or "127.0.0.1", self._parts.port or 2375)
            self.sock = socket.create_connection(address, limit_s)

    def close(self) -> None:
        """Closes the way, and ends the program that carried it."""
        super().close()
        if self._tunnel_process is not None:
            self._tunnel_process.terminate()
            try:
                self._tunnel_process.wait(_SSH_END_S)
            except subprocess.TimeoutExpired:
                self._tunnel_process.kill()
                self._tunnel_process.wait()
            self._tunnel_process = None

    def limit(self, limit_s: float | None) -> None:
        """How long each read may take from now on."""
        self.timeout = limit_s
        if self.sock is not None:
            self.sock.settimeout(limit_s)

    def hang_up(self) -> None:
        """Ends whatever another thread reads from it."""
        if self.sock is not None:
            try:
                self.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return

    def _dial(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        target = self._parts.hostname or ""
        if self._parts.username:
            target = f"{self._parts.username}@{target}"
        argv = ["ssh", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={_SSH_CONNECT_S}", "-T"]
        argv += ["-p", str(self._parts.port)] if self._parts.port else []
        argv += ["--", target, "docker", "system", "dial-stdio"]
        with theirs:
            self._tunnel_process = subprocess.Popen(
                argv,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        ours.settimeout(self.timeout)
        return ours
