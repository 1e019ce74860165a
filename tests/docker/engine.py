"""A real engine, a real registry and images of a tiny service, for every test that needs them."""

import os
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from tminus.adapters.docker.build import build
from tminus.domain.canonical import Json
from tminus.domain.codec import to_json
from tminus.domain.plan.image import Container, Image
from tminus.testing import docker

PROGRAMS = ("dockerd", "docker-registry", "mmdebstrap")
PORT = 8000
SMALL = Container(PORT, memory_bytes=256 * 1024**2, cpu_milli=1_000, pids=64)
DOCKERFILE = """\
FROM tminus-base:1
COPY service.py /srv/
WORKDIR /srv
EXPOSE 8000
CMD ["python3", "service.py"]
"""
SERVICE = """\
import http.server, os, signal, sys

class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *words):
        pass

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("serves", flush=True)
http.server.ThreadingHTTPServer(("0.0.0.0", int(os.environ["PORT"])), Answers).serve_forever()
"""


def need(*programs: str) -> None:
    """Skips where a program is missing; fails in continuous integration."""
    why = docker.missing(*(programs or PROGRAMS))
    if why:
        if os.environ.get("CI") == "true":
            pytest.fail(why)
        pytest.skip(why)


class Repository:
    """A git repository with a service in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True)
        self.git("init", "--quiet")
        self.write("Dockerfile", DOCKERFILE)
        self.write("service.py", SERVICE)

    def git(self, *arguments: str) -> str:
        argv = ["git", "-C", str(self.directory), "-c", "user.name=t", "-c", "user.email=t@example.org"]
        done = subprocess.run([*argv, *arguments], check=True, capture_output=True, text=True, timeout=30)
        return done.stdout.strip()

    def write(self, name: str, text: str) -> None:
        target = self.directory / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def tag(self, tag: str) -> str:
        """Commits everything and tags it; returns the commit."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", tag)
        self.git("tag", "--force", "--annotate", tag, "--message", tag)
        return self.git("rev-parse", "HEAD")


class Yard:
    """Where images are built and pushed to: an engine and a registry in one folder."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.dockerd = docker.Dockerd(directory / "e")
        self.registry = docker.LocalRegistry(directory / "r")
        self.artifacts = directory / "artifacts"

    def start(self) -> None:
        self.dockerd.start()
        docker.load_base(self.dockerd.url)
        self.registry.start()

    def close(self) -> None:
        self.registry.stop()
        self.dockerd.stop()

    def arguments(self, repository: Repository, tag: str, commit: str, **more: object) -> dict[str, Any]:
        """What the work `build-image` is told; `more` lies over it."""
        image: object = more.pop("image", Image(f"{self.registry.host}/hello"))
        return {
            "repository": str(repository.directory),
            "tag": tag,
            "commit": commit,
            "version": tag.removeprefix("v"),
            "image": to_json(image),
            "container": to_json(more.pop("container", SMALL)),
            "command": [],
            "environment": {},
            "health": "/healthz",
            "boot_ms": 20_000,
            "artifacts_directory": str(self.artifacts),
            "engine": self.dockerd.url,
            "launch": f"hello-{tag}",
            **more,
        }

    def build(self, repository: Repository, tag: str, job: Path, **more: object) -> Mapping[str, Any]:
        """Tags what the repository holds, and builds it."""
        job.mkdir(parents=True, exist_ok=True)
        arguments = self.arguments(repository, tag, repository.tag(tag), **more)
        return cast("Mapping[str, Any]", build(cast("Json", arguments), job, threading.Event()))
