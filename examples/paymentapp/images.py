"""What the sample needs to be launched as images: an engine, a registry, and an image to build on.

The engine is that of DOCKER_HOST or of this machine; where none answers, one is started in a folder, which
needs root. The registry is one of its own on a free port, where the program is installed.
"""

import contextlib
import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tminus.adapters.docker.dialing import default_engine
from tminus.adapters.docker.engine import Engine, EngineError
from tminus.ports.fault import PortFault
from tminus.testing import docker

PROJECT = Path(__file__).resolve().parents[2]
BASE = "paymentapp-base:1"
PACKAGES = ("alembic", "sqlalchemy", "mako", "markupsafe", "psycopg", "psycopg-binary", "typing-extensions")
BUILD_LIMIT_S = 300.0
INSTALL_LIMIT_S = 300


@dataclass(frozen=True, slots=True)
class Place:
    """Where images are built and kept.

    Attributes:
        engine: its address, as in DOCKER_HOST.
        registry: host and port.
        gateway: address of this machine that containers reach, and that means the same outside of them.
    """

    engine: str
    registry: str
    gateway: str

    @property
    def database_settings(self) -> dict[str, str]:
        """Where the database listens: on loopback, and where containers reach it."""
        return {"listen_addresses": f"127.0.0.1,{self.gateway}"}

    def url(self, local: str) -> str:
        """The database's URL as it works inside and outside of containers."""
        return local.replace("@127.0.0.1:", f"@{self.gateway}:")


@contextlib.contextmanager
def place(directory: Path) -> Iterator[Place]:
    """Engine and registry for as long as the block lasts; one that was started here is stopped then.

    Raises:
        docker.DockerError: what is missing is in the text.
    """
    with contextlib.ExitStack() as stack:
        url = default_engine(os.environ)
        if not _answers(url):
            if why := docker.missing("dockerd"):
                raise docker.DockerError(f"no engine answers at {url}, and none can be started: {why}")
            # The system's folder for temporary files: sockets bear no long path.
            folder = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="tm-docker-", ignore_cleanup_errors=True)
            )
            url = stack.enter_context(docker.Dockerd(Path(folder))).url
        if why := docker.missing("docker-registry", "mmdebstrap"):
            raise docker.DockerError(why)
        registry = stack.enter_context(docker.LocalRegistry(directory / "registry"))
        docker.load_base(url)
        _build_base(url, directory)
        with contextlib.closing(Engine(url)) as engine:
            gateway = engine.get("/networks/bridge")["IPAM"]["Config"][0]["Gateway"]
        yield Place(url, registry.host, gateway)


def open_to_containers(directory: Path) -> None:
    """Lets a database take connections from addresses of containers, with the password as before."""
    path = directory / "data" / "pg_hba.conf"
    with path.open("a", encoding="ascii") as file:
        file.write("host all all all scram-sha-256\n")


def as_images(plan: str, registry: str) -> str:
    """The sample's plan with images in place of processes."""
    smoke = 'python3 -c "import paymentapp.app, alembic, psycopg"'
    image = f"registry: {registry}/paymentapp, smoke: '{smoke}'"
    limits = "port: 8000, memory: 256MiB, cpus: 1, pids: 128"
    changed = plan.replace("boot: 20s", "boot: 1m")
    changed = changed.replace("build: {command: python3 build.py}", f"build: {{docker: {{{image}}}}}")
    return changed.replace("command: python3 -m paymentapp --port {port}", f"docker: {{{limits}}}")


def _answers(url: str) -> bool:
    try:
        with contextlib.closing(Engine(url, 3)) as engine:
            engine.get("/version")
    except (PortFault, EngineError):
        return False
    return True


def _build_base(url: str, directory: Path) -> None:
    """The base image with what the sample imports, at the versions of the lock."""
    with contextlib.closing(Engine(url)) as engine:
        with contextlib.suppress(EngineError):
            engine.get(f"/images/{BASE}/json")
            return
        packages = _install(directory / "packages")
        context = io.BytesIO()
        with tarfile.open(fileobj=context, mode="w") as tar:
            tar.add(packages, "packages")
            text = f"FROM {docker.BASE}\nCOPY packages /opt/packages\nENV PYTHONPATH=/opt/packages\n"
            member = tarfile.TarInfo("Dockerfile")
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
        headers = {"Content-Type": "application/x-tar"}
        for _ in engine.messages(
            "/build", {"t": BASE, "rm": "1"}, context.getvalue(), headers, limit_s=BUILD_LIMIT_S
        ):
            pass


def _install(target: Path) -> Path:
    with tarfile.open(docker.base_tree()) as tar:
        found = (re.search(r"usr/bin/python3\.(\d+)$", name) for name in tar.getnames())
        minor = next(match[1] for match in found if match)
    lock = (PROJECT / "requirements-sample.txt").read_text(encoding="utf-8")
    blocks = re.split(r"\n(?=\S)", lock)
    wanted = [block for block in blocks if block.partition("==")[0] in PACKAGES]
    listed = target.with_suffix(".txt")
    listed.write_text("\n".join(wanted) + "\n", encoding="utf-8")
    argv = [sys.executable, "-m", "pip", "install", "-qq", "--no-deps", "--require-hashes", "--no-compile"]
    argv += ["--only-binary=:all:", f"--python-version=3.{minor}", "--implementation=cp"]
    machine = os.uname().machine
    argv += [f"--platform=manylinux_2_{glibc}_{machine}" for glibc in (17, 27, 28, 34)]
    argv += [f"--platform=manylinux2014_{machine}", f"--target={target}", f"--requirement={listed}"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=INSTALL_LIMIT_S, check=False)
    if done.returncode != 0:
        raise docker.DockerError(f"the sample's packages cannot be installed: {done.stderr[-2000:]}")
    return target
