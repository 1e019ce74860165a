"""What this machine answers when it is asked for what a launch needs. Must not judge the answers."""

import contextlib
import errno
import resource
import shutil
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tminus.adapters.clock.system_clock import SystemClock
from tminus.adapters.docker.dialing import default_engine
from tminus.adapters.docker.engine import Engine, EngineError
from tminus.adapters.git.command import run_git
from tminus.adapters.git.git_releases import GitReleases
from tminus.adapters.haproxy.binary import find_binary as find_haproxy
from tminus.adapters.postgres.programs import find_program
from tminus.adapters.secrets.reference_secrets import ReferenceSecrets
from tminus.adapters.traefik.binary import find_binary as find_traefik
from tminus.domain.plan.router import RouterName
from tminus.domain.plan.secret import SecretRef, SecretSource
from tminus.ports.artifacts import TagReading
from tminus.ports.fault import PortFault, Unavailable

KNOCK_LIMIT_S = 1.0  # a server on this machine takes a connection in a millisecond

_OLDEST_POSTGRES = 13  # whether a program fits a server is only known once that is asked


@dataclass(frozen=True, slots=True)
class Machine:
    """Questions, each a function, so that tests can answer them.

    Attributes:
        python_version: (major, minor, micro) of this interpreter.
        git_version: text of `git --version`; raises Unavailable.
        read_tag: (repository, tag) to the tag; raises Refused or Unavailable.
        dirty_paths: uncommitted paths of a repository; raises Unavailable.
        newest_commit_ms: time of a repository's newest commit, since the epoch; raises Unavailable.
        router_version: version and origin of the program of the router of that name; raises Refused.
        open_files_limit: how many files a process may open.
        postgres_program: where one of PostgreSQL's programs is, by its name; raises Refused.
        free_bytes: bytes free for this user where a folder is, or would be.
        port_free: whether (host, port) can be listened on; raises OSError when the host is not ours.
        now_ms: milliseconds since the epoch.
        secret_lacks: (reference, folder of the plan) to why it has no value here, empty where it has;
            commands are looked for and not run.
        finds_program: whether a program is found on the path.
        is_file: whether a file is there.
        answers: whether (host, port) takes a connection.
        tells_gauges: whether this system tells how it does.
        engine_version: of the container engine at an address, this machine's own for an empty one, with the
            address; raises Unavailable or Refused.
    """

    python_version: Callable[[], tuple[int, int, int]]
    git_version: Callable[[], str]
    read_tag: Callable[[Path, str], TagReading]
    dirty_paths: Callable[[Path], tuple[str, ...]]
    newest_commit_ms: Callable[[Path], int]
    router_version: Callable[[str], str]
    open_files_limit: Callable[[], int]
    postgres_program: Callable[[str], Path]
    free_bytes: Callable[[Path], int]
    port_free: Callable[[str, int], bool]
    now_ms: Callable[[], int]
    secret_lacks: Callable[[SecretRef, Path], str]
    finds_program: Callable[[str], bool]
    is_file: Callable[[Path], bool]
    answers: Callable[[str, int], bool]
    tells_gauges: Callable[[], bool]
    engine_version: Callable[[str], str]


def this_machine(environment: Mapping[str, str]) -> Machine:
    """The real one; `environment` is where git is looked for."""

    def newest_commit_ms(repository: Path) -> int:
        return 1000 * int(run_git(repository, environment, "log", "-1", "--all", "--format=%ct").strip() or 0)

    return Machine(
        python_version=lambda: (sys.version_info[0], sys.version_info[1], sys.version_info[2]),
        git_version=lambda: run_git(Path(), environment, "--version").strip(),
        read_tag=lambda repository, tag: GitReleases(repository, environment).read_tag(tag),
        dirty_paths=lambda repository: GitReleases(repository, environment).dirty_paths(),
        newest_commit_ms=newest_commit_ms,
        router_version=_router_version,
        open_files_limit=lambda: resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        postgres_program=lambda name: find_program(name, _OLDEST_POSTGRES),
        free_bytes=_free_bytes,
        port_free=port_is_free,
        now_ms=SystemClock().now_ms,
        secret_lacks=lambda ref, folder: _secret_lacks(ref, folder, environment),
        finds_program=lambda name: shutil.which(name) is not None,
        is_file=Path.is_file,
        answers=_answers,
        tells_gauges=Path("/proc/meminfo").is_file,
        engine_version=lambda url: _engine_version(url or default_engine(environment)),
    )


def _engine_version(url: str) -> str:
    with contextlib.closing(Engine(url, KNOCK_LIMIT_S)) as engine:
        try:
            found = engine.get("/version")
        except EngineError as error:
            raise Unavailable("engine-unreachable", f"{url}: {error.why}") from error
    name = next((str(each.get("Name", "")) for each in found.get("Components") or []), "") or "engine"
    return f"{name} {found.get('Version', 'of an unknown version')} at {url}"


def _secret_lacks(ref: SecretRef, folder: Path, environment: Mapping[str, str]) -> str:
    if ref.source is SecretSource.COMMAND:
        words = ref.locator.split()
        found = bool(words) and (shutil.which(words[0]) is not None or (folder / words[0]).is_file())
        return "" if found else f"there is no program {words[0] if words else ''} for a secret"
    try:
        ReferenceSecrets(environment, folder).resolve(ref)
    except PortFault as fault:
        return fault.why
    return ""


def _answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=KNOCK_LIMIT_S):
            return True
    except OSError:
        return False


def _router_version(name: str) -> str:
    binary = find_traefik() if name == RouterName.TRAEFIK else find_haproxy()
    return f"{name} {binary.version} ({binary.source})"


def _free_bytes(folder: Path) -> int:
    here = folder.absolute()
    while not here.is_dir():
        here = here.parent
    return shutil.disk_usage(here).free


def port_is_free(host: str, port: int) -> bool:
    """Whether (host, port) can be listened on; raises OSError when the host is not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno in _TAKEN:
                return False
            raise
    return True


_TAKEN = frozenset({errno.EADDRINUSE})
