"""An nginx as somebody else runs it, with the two lines in it that tminus asks for."""

import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.dataplane.harness import PlaneHarness
from tests.dataplane.plane import Plane, settle
from tminus.adapters.nginx.config import LOG
from tminus.adapters.nginx.router import NginxRouter
from tminus.ports.router import Router

_CONFIG = """\
user {user};
worker_processes 2;
pid nginx.pid;
error_log stderr error;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  # An idle connection would be closed by a reload, perhaps while a request is on its way.
  keepalive_timeout 0;
  include {directory}/shop*.conf;
{server}}}
"""
_SERVER = """\
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://$tminus_shop;
      proxy_http_version 1.1;
      access_log {state}/{log} tminus_shop;
    }}
  }}
"""


def needs_nginx() -> None:
    """Without nginx a test is skipped by its name, and fails where CI=true."""
    if shutil.which("nginx") is None:
        missing = "nginx is not installed: tools/system-packages.sh test"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)


class OwnNginx:
    """One nginx in a folder of its own, which includes `shop.conf` from that folder."""

    def __init__(self, directory: Path, state: Path, port: int) -> None:
        """Runs without any server of its own until `serve`."""
        self.directory = directory
        self.file = directory / "shop.conf"
        self._state, self._port = state, port
        directory.mkdir()
        self._write("")
        self._process = self._started()

    def serve(self) -> None:
        """Has the file hold the server that users put into it; whoever reloads next reads it."""
        self._write(_SERVER.format(port=self._port, state=self._state, log=LOG))

    def command(self, *words: str) -> tuple[str, ...]:
        return ("nginx", "-p", str(self.directory), "-e", "stderr", "-c", "nginx.conf", *words)

    def restart(self) -> None:
        """Dies with all its workers, and is started again."""
        self.end()
        self._process = self._started()

    def end(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(10)

    def _write(self, server: str) -> None:
        user = pwd.getpwuid(os.geteuid()).pw_name
        text = _CONFIG.format(user=user, directory=self.directory, server=server)
        (self.directory / "nginx.conf").write_text(text, encoding="utf-8")

    def _started(self) -> subprocess.Popen[bytes]:
        with (self.directory / "nginx.log").open("ab") as log:
            process = subprocess.Popen(self.command("-g", "daemon off;"), stdout=log, stderr=log)
        settle((self.directory / "nginx.pid").exists)
        return process


class NginxPlane(Plane):
    """A data plane whose router is that nginx."""

    def __init__(self, directory: Path) -> None:
        self._own: OwnNginx | None = None
        super().__init__(directory, kind="nginx")

    @property
    def own(self) -> OwnNginx:
        if self._own is None:
            self._own = OwnNginx(self.directory / "own", self.directory / "nginx", self.port)
            self._own.serve()
        return self._own

    def another_router(self) -> Router:
        own = self.directory / "own"
        command = ("nginx", "-p", str(own), "-e", "stderr", "-c", "nginx.conf")
        return NginxRouter(
            self.directory / "nginx", own / "shop.conf", (*command, "-s", "reload"), (*command, "-t")
        )

    def close(self) -> None:
        if self._own is not None:
            self._own.end()
        super().close()


class NginxHarness(PlaneHarness):
    """The same in the contract of routers."""

    def __init__(self, directory: Path) -> None:
        plane = NginxPlane(directory)
        super().__init__(directory, plane=plane)
        self.own = plane.own

    def restart_router(self) -> None:
        self.own.restart()
        self.settle(lambda: bool(self.router().read_router().hosting))
