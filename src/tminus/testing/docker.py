"""A Docker engine, a registry and a base image for tests and samples, each in a folder of its own.

Needs root and the programs of Debian's packages docker.io, docker-registry and mmdebstrap; `missing` says
which of them a machine lacks. Whatever is started here is stopped by its process number.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tminus.adapters.clock.system_clock import SystemClock
from tminus.adapters.docker.container import remove
from tminus.adapters.docker.engine import Engine, EngineError
from tminus.domain.canonical import digest_of_bytes
from tminus.ports.fault import PortFault
from tminus.testing.bridge import Bridge
from tminus.testing.postgres import free_port

LOCAL = "127.0.0.1"
BASE = "tminus-base:1"
"""The base image: a small Debian with Python and without pip."""

USER, PASSWORD = "launcher", "lift-off-7"
"""Who may push to a registry that asks."""

_HASH = "$2y$05$Yl7jGw4svmfYt6eoigmzc.HcgdPM3xVganAnvwNbjZotAim1o8kDC"  # of PASSWORD, as htpasswd writes it
_SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")
_START_LIMIT_MS = 60_000
_STOP_LIMIT_S = 30.0
_BASE_LIMIT_S = 600.0
_LOOK_MS = 50
_PACKAGES = (
    "python3-minimal",
    "libpython3-stdlib",
    "dash",
    "dpkg",
    "coreutils",
    "diffutils",
    "sed",
    "grep",
    "findutils",
    "tar",
    "bash",
    "libc-bin",
    "base-files",
    "base-passwd",
    "mawk",
    "debianutils",
)


_LEFT_OUT = ("/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/man/*", "/usr/lib/*/gconv/*")


class DockerError(Exception):
    """Something could not be started or made; the text says why."""


def path() -> str:
    """PATH with the folders of daemons, which a user's own leaves out."""
    return os.pathsep.join((os.environ.get("PATH", os.defpath), *_SBIN))


def missing(*programs: str) -> str:
    """Why this machine cannot run these programs, empty when it can."""
    lacking = [name for name in programs if shutil.which(name, path=path()) is None]
    if lacking:
        return f"not installed: {', '.join(lacking)} (tools/system-packages.sh test)"
    if os.geteuid() != 0:
        return "an engine of one's own needs root"
    return ""


@dataclass(slots=True)
class Program:
    """A program started here: its process, and the file that it writes to."""

    process: "subprocess.Popen[bytes]"
    log: Path

    def stop(self) -> None:
        """SIGTERM, and SIGKILL when it does not end in time."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(_STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()


def start_program(argv: Sequence[str], log: Path, environment: dict[str, str] | None = None) -> Program:
    """Starts a program that writes to `log`."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            argv,
            env={**os.environ, "PATH": path(), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    return Program(process, log)


class Dockerd:
    """A Docker engine of its own: its data, its socket, its process."""

    def __init__(self, directory: Path, *, data: Path | None = None) -> None:
        """Makes nothing yet.

        Args:
            directory: short, since it holds a socket.
            data: where images and containers are; below `directory` when not given.
        """
        self.directory = directory
        self.data = data or directory / "data"
        self.url = f"unix://{directory}/d.sock"
        self._program: Program | None = None
        self._bridge = Bridge()

    def start(self) -> Self:
        """Starts it and returns when it answers.

        Raises:
            DockerError: it does not; the end of its log is in the text.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        if not self._bridge.name:
            self._bridge.make()
        for more in ((), ("--iptables=false", "--ip6tables=false")):
            self._program = start_program([*self._argv(), *more], self.directory / "dockerd.log")
            if answers(self.url, self._program):
                return self
            self._program.stop()
        self._bridge.remove()
        end = (self.directory / "dockerd.log").read_text(encoding="utf-8", errors="replace")[-2000:]
        raise DockerError(f"dockerd does not start: {end}")

    @property
    def pid(self) -> int:
        """Its process number; 0 when it was not started."""
        return self._program.process.pid if self._program else 0

    def kill(self) -> None:
        """Kills it, and the program that it runs containers by, as a crash of the machine would."""
        if self._program is not None:
            self._program.kill()
            with contextlib.suppress(OSError, ValueError):
                text = (self.directory / "run" / "containerd" / "containerd.pid").read_text(encoding="ascii")
                os.kill(int(text), signal.SIGKILL)

    def stop(self) -> None:
        """Removes its containers and networks, and stops it."""
        if self._program is None:
            return
        empty(self.url, self._program)
        self._program.stop()
        self._program = None
        unmount_below(self.directory)
        self._bridge.remove()

    def _argv(self) -> list[str]:
        name = shutil.which("dockerd", path=path()) or "dockerd"
        argv = [name, "--host", self.url, "--data-root", str(self.data), "--group", "root"]
        argv += ["--exec-root", str(self.directory / "run"), "--pidfile", str(self.directory / "d.pid")]
        argv += ["--bridge", self._bridge.name]
        return [*argv, "--exec-opt", "native.cgroupdriver=cgroupfs", "--log-level", "error"]

    def __enter__(self) -> Self:
        """Starts it."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops it."""
        self.stop()


class LocalRegistry:
    """A registry of its own on a free port; one that `asks` knows `USER` and `PASSWORD` and nobody else."""

    def __init__(self, directory: Path, *, asks: bool = False, port: int = 0) -> None:
        """Makes nothing yet."""
        self.directory = directory
        self.port = port or free_port()
        self.host = f"{LOCAL}:{self.port}"
        self._asks = asks
        self._program: Program | None = None

    def start(self) -> Self:
        """Starts it and returns when it listens.

        Raises:
            DockerError: it does not; the end of its log is in the text.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        config = self.directory / "config.yml"
        lines = ["version: 0.1", "log: {level: error}", f"http: {{addr: '{self.host}', secret: test}}"]
        lines.append(
            f"storage: {{filesystem: {{rootdirectory: {self.directory}/data}}, delete: {{enabled: true}}}}"
        )
        if self._asks:
            (self.directory / "htpasswd").write_text(f"{USER}:{_HASH}\n", encoding="ascii")
            lines.append(f"auth: {{htpasswd: {{realm: tests, path: {self.directory / 'htpasswd'}}}}}")
        config.write_text("\n".join(lines), encoding="utf-8")
        log = self.directory / "registry.log"
        name = shutil.which("docker-registry", path=path()) or "docker-registry"
        self._program = start_program([name, "serve", str(config)], log)
        clock = SystemClock()
        until_ms = clock.now_ms() + _START_LIMIT_MS
        while not _listens(self.port):
            if clock.now_ms() > until_ms or self._program.process.poll() is not None:
                raise DockerError(f"the registry does not start: {log.read_text(encoding='utf-8')[-2000:]}")
            clock.wait_ms(_LOOK_MS)
        return self

    def stop(self) -> None:
        """Stops it; what was pushed stays in its folder."""
        if self._program is not None:
            self._program.stop()
            self._program = None

    def __enter__(self) -> Self:
        """Starts it."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops it."""
        self.stop()


def answers(url: str, program: Program) -> bool:
    """Waits until the engine answers; false when it ends before, or takes too long."""
    clock = SystemClock()
    until_ms = clock.now_ms() + _START_LIMIT_MS
    while clock.now_ms() < until_ms and program.process.poll() is None:
        with contextlib.suppress(PortFault, EngineError), contextlib.closing(Engine(url)) as engine:
            engine.get("/version")
            return True
        clock.wait_ms(_LOOK_MS)
    return False


def unmount_below(directory: Path) -> None:
    """Takes away mounts below an engine's folder: one that was killed leaves some, and Podman always does."""
    lines = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    found = [line.split(" ")[1] for line in lines]
    for place in sorted((each for each in found if each.startswith(f"{directory}/")), reverse=True):
        argv = [shutil.which("umount", path=path()) or "umount", "--lazy", place]
        subprocess.run(argv, check=False, capture_output=True, timeout=_STOP_LIMIT_S)


def empty(url: str, program: Program) -> None:
    """Removes every container and network of an engine that was started here."""
    if program.process.poll() is not None:
        return
    with (
        contextlib.suppress(PortFault, EngineError),
        contextlib.closing(Engine(url, _STOP_LIMIT_S)) as engine,
    ):
        for each in engine.get("/containers/json", {"all": "1"}):
            remove(engine, each["Id"])
        for each in engine.get("/networks"):
            if each["Name"] not in ("bridge", "host", "none", "podman"):
                engine.delete(f"/networks/{each['Name']}")


def load_base(url: str) -> None:
    """Has the engine hold the base image; its file system is made once for each machine.

    Raises:
        DockerError: it cannot be made.
        EngineError: the engine does not take it.
    """
    with contextlib.closing(Engine(url, _STOP_LIMIT_S)) as engine:
        with contextlib.suppress(EngineError):
            engine.get(f"/images/{BASE}/json")
            return
        name, _, tag = BASE.partition(":")
        query = {"fromSrc": "-", "repo": name, "tag": tag}
        headers = {"Content-Type": "application/x-tar"}
        with base_tree().open("rb") as body:
            for _ in engine.messages("/images/create", query, body, headers, limit_s=_BASE_LIMIT_S):
                pass


def base_tree() -> Path:
    """The base image's file system as a tar file, from this user's cache or made now (half a minute).

    Raises:
        DockerError: mmdebstrap fails; the end of its output is in the text.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tminus-test"
    cache.mkdir(parents=True, exist_ok=True)
    recipe = digest_of_bytes(" ".join((*_PACKAGES, *_LEFT_OUT)).encode()).removeprefix("sha256:")[:12]
    target = cache / f"{BASE.replace(':', '-')}-{recipe}.tar"
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.exists():
            part = target.with_suffix(".part")
            log = cache / "mmdebstrap.log"
            with log.open("wb") as output:
                done = subprocess.run(
                    [*_bootstrap(), str(part), *_sources()],
                    env={**os.environ, "PATH": path(), **_fast_place()},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    timeout=_BASE_LIMIT_S,
                    check=False,
                )
            if done.returncode != 0:
                raise DockerError(f"mmdebstrap ended with {done.returncode}: {log.read_text()[-2000:]}")
            part.replace(target)
    return target


def _bootstrap() -> list[str]:
    quiet = [f"--dpkgopt=path-exclude={each}" for each in _LEFT_OUT]
    included = f"--include={','.join(_PACKAGES)}"
    return ["mmdebstrap", "--variant=custom", "--mode=root", "--format=tar", included, *quiet, ""]


def _sources() -> Iterator[str]:
    """This machine's own sources of packages: nobody else's are asked."""
    whole = Path("/etc/apt/sources.list")
    if whole.is_file() and any(line.startswith("deb") for line in whole.read_text("utf-8").splitlines()):
        yield str(whole)
    for each in sorted(Path("/etc/apt/sources.list.d").glob("*")):
        if each.name in ("debian.sources", "ubuntu.sources"):
            yield str(each)


def _fast_place() -> dict[str, str]:
    """In memory where there is room: dpkg waits for the disk after every file."""
    memory = Path("/dev/shm")  # noqa: S108 - the place that Linux has for this
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 1024**3
    return {"TMPDIR": str(memory)} if roomy else {}


def _listens(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex((LOCAL, port)) == 0


def main() -> int:
    """Makes the base image's file system where it is missing: `python -m tminus.testing.docker`."""
    why = missing("mmdebstrap")
    if why:
        print(f"docker: {why}", file=sys.stderr)  # noqa: T201 - a command line
        return 0  # what needs it is skipped with that reason, or fails in continuous integration
    print(base_tree())  # noqa: T201 - as above
    return 0


if __name__ == "__main__":
    sys.exit(main())
