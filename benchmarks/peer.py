"""The peer of the cutover benchmark: nginx in front of the same instances, switched by a reload."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from plane import settle

from tminus.adapters.http.connection import parse_origin
from tminus.domain.launch.slot import Slot
from tminus.testing.traffic import LOCAL, free_port

_CONFIG = """\
user {user};
daemon off;
worker_processes 2;
pid nginx.pid;
error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 100000000;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  upstream service {{ include upstream.conf; keepalive 64; }}
  server {{
    listen {host}:{port} backlog=1024;
    location / {{ proxy_pass http://service; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"""


class Peer:
    """A running nginx."""

    def __init__(self, directory: Path, addresses: Mapping[Slot, tuple[str, ...]]) -> None:
        directory.mkdir()
        self._directory = directory
        self._addresses = addresses
        self.live = Slot.BLUE
        self.port = free_port()
        user = "root" if os.geteuid() == 0 else os.environ.get("USER", "nobody")
        config = _CONFIG.format(user=user, host=LOCAL, port=self.port)
        (directory / "nginx.conf").write_text(config, encoding="utf-8")
        self._write()
        self._child = subprocess.Popen(
            ["nginx", "-p", str(directory), "-c", "nginx.conf"], stderr=subprocess.DEVNULL, cwd=directory
        )

    @property
    def url(self) -> str:
        return f"http://{LOCAL}:{self.port}"

    def _write(self) -> None:
        lines = [f"server {address};\n" for address in self._addresses[self.live]]
        draft = self._directory / "upstream.new"
        draft.write_text("".join(lines), encoding="utf-8")
        draft.replace(self._directory / "upstream.conf")

    def flip(self) -> tuple[int, int]:
        """All traffic to the other slot; a reload says nothing of its end, so only its start is known."""
        self.live = self.live.other
        began_ns = time.monotonic_ns()
        self._write()
        self._child.send_signal(signal.SIGHUP)
        return began_ns, time.monotonic_ns()

    def close(self) -> None:
        self._child.terminate()
        self._child.wait(10)


@contextlib.contextmanager
def peer(directory: Path, addresses: Mapping[Slot, tuple[str, ...]]) -> Iterator[Peer]:
    """nginx until the block ends."""
    made = Peer(directory, addresses)
    try:
        origin = parse_origin(made.url)
        settle(lambda: _answers(origin.host, origin.port))
        yield made
    finally:
        made.close()


def _answers(host: str, port: int) -> bool:
    import socket  # noqa: PLC0415 - looked at once

    with socket.socket() as caller:
        return caller.connect_ex((host, port)) == 0
