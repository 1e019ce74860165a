"""Launches a service with a database three times, for real: a first launch, a good release, a bad one.

Usage: python examples/paymentapp/launch.py [--plain | --json] [--keep] [--docker]

Everything happens on this machine, under `.tminus/paymentapp` of this project: a PostgreSQL server, a git
repository with three tags, a supervisor, a router, users' requests on loopback. v1.0.0 goes live, v1.1.0
changes the schema and takes over without losing a request or a payment, v1.2.0 passes every smoke test,
declines and fails payments once it is under load, and is rolled back by itself.
"""

import argparse
import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import images
import psycopg
from make_repository import make_repository

from tminus.testing import docker, postgres

PROJECT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
STAGE = PROJECT / ".tminus" / "paymentapp"
USERS_PER_S = 300
USERS_OF_CONTAINERS_PER_S = 100  # each of their requests passes one program more
LOAD_LIMIT_S = 300
ANSWER_LIMIT_S = 300  # an image may take minutes to be built on a busy machine
FIRST = "v1.0.0"
EXPECTED = {"v1.0.0": 0, "v1.1.0": 0, "v1.2.0": 3}
PROMOTED_OR_ROLLED_BACK = {0: "promoted", 3: "rolled back"}


def main() -> int:
    """Runs the three launches; 0 when each ended as it should."""
    parser = argparse.ArgumentParser(description="Launch the sample service three times, for real.")
    parser.add_argument("--plain", action="store_true", help="log lines only, no live view")
    parser.add_argument("--json", action="store_true", help="one JSON object per event")
    parser.add_argument("--keep", action="store_true", help="leave the service running at the end")
    parser.add_argument("--docker", action="store_true", help="as images from a registry, in containers")
    options = parser.parse_args()
    if options.docker and options.keep:
        parser.error("--keep and --docker exclude each other: the engine ends with this run")
    STAGE.parent.mkdir(exist_ok=True)
    with (STAGE.parent / "paymentapp.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another run of this sample is under way in this folder", file=sys.stderr)
            return 1
        return launch_all(options)


def launch_all(options: argparse.Namespace) -> int:
    """The three launches, one after the other, under users' requests."""
    flags = [name for name, wanted in (("--plain", options.plain), ("--json", options.json)) if wanted]
    environment = {
        **os.environ,
        "TMINUS_HOME": str(STAGE / "home"),
        # The plan says `python3`: the one that runs this has what the service needs.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    clear(environment)
    with contextlib.ExitStack() as stack:
        try:
            place = stack.enter_context(images.place(STAGE)) if options.docker else None
            environment["DATABASE_URL"] = start_database(place)
        except (postgres.PostgresError, docker.DockerError) as error:
            print(f"what the sample needs does not start: {error}", file=sys.stderr)
            return 1
        port = free_port(8080) if place is None else free_port()  # an image takes long to build
        if place is None:
            make_repository(STAGE / "repository", port, partial(with_checks, port=port))
        else:
            environment["DOCKER_HOST"] = place.engine
            adapt = partial(images.as_images, registry=place.registry)
            make_repository(STAGE / "repository", port, adapt, HERE / "docker")
        rate_per_s = USERS_PER_S if place is None else USERS_OF_CONTAINERS_PER_S
        return run_launches(options, flags, environment, port, rate_per_s)


def with_checks(plan: str, port: int) -> str:
    """The plan with its checks; before the first release nothing runs that could be asked."""
    found = re.search(r'^version: "(.+)"$', plan, re.MULTILINE)
    version = found[1] if found else ""
    if f"v{version}" == FIRST:
        return f"{plan}checks: off\n"
    checks = (HERE / "checks.yaml").read_text(encoding="utf-8")
    return plan + checks.replace("@VERSION@", version).replace("@PORT@", str(port))


def state_the_rest(tag: str, launch: "subprocess.Popen[bytes]", environment: dict[str, str]) -> None:
    """States what no machine can see, for every role that answers for it, as people would."""
    name, items = launch_of(tag), dict[str, list[str]]()
    until = time.monotonic() + ANSWER_LIMIT_S
    while not items and launch.poll() is None and time.monotonic() < until:
        time.sleep(0.2)
        for check in ready(name, environment).get("checks", []):
            if check["by"] == "person":
                items.setdefault(check["owner"], []).append(check["item"])
    said = [
        tminus("attest", name, *found, "--text", f"stated by the sample's script, as {role}", "--by", role)
        for role, found in items.items()
    ]
    stated = [subprocess.Popen(each, env=environment, stdout=subprocess.DEVNULL) for each in said]
    for each in stated:
        each.wait(ANSWER_LIMIT_S)


def ready(name: str, environment: dict[str, str]) -> dict[str, Any]:
    """What `tminus ready` says of a launch; nothing while there is none, or without checks."""
    command = tminus("ready", name, "--json")
    done = subprocess.run(command, env=environment, capture_output=True, check=False, timeout=60)
    told: dict[str, Any] = json.loads(done.stdout) if done.stdout else {}
    return told


def tminus(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "tminus.cli.main", *arguments]


def launch_of(tag: str) -> str:
    return f"paymentapp-{tag.removeprefix('v')}"


def start_database(place: images.Place | None) -> str:
    """Starts the database, and returns its URL as the service reaches it."""
    directory = STAGE / "database"
    if place is None:
        return postgres.start(directory).url()
    server = postgres.start(directory, settings=place.database_settings)
    images.open_to_containers(server.directory)
    server.stop()
    server.start(place.database_settings)
    return place.url(server.url())


def run_launches(
    options: argparse.Namespace,
    flags: list[str],
    environment: dict[str, str],
    port: int,
    rate_per_s: int,
) -> int:
    """Launches every tag, and tells what became of it."""
    began = time.monotonic()
    users = None
    ended: dict[str, int] = {}
    try:
        for tag, expected in EXPECTED.items():
            git("checkout", "--quiet", tag)
            launch = start_launch(flags, environment)
            if users is None:
                users = start_users(port, launch, rate_per_s)
            if tag != FIRST and not options.docker:
                state_the_rest(tag, launch, environment)
            ended[tag] = launch.wait()
            if ended[tag] != expected:
                break
    finally:
        load = stop_users(users)
        paid = payments_by_version(environment["DATABASE_URL"])
        write_log(ended, environment)
        asked = [line for tag in ended for line in checks_of(tag, environment)]
        if not options.keep:
            shut_down(environment)
            if database := postgres.find(STAGE / "database"):
                database.stop()
    runs_at = port if options.keep else None
    tell(ended, load, paid, asked, time.monotonic() - began, runs_at, quiet=options.json)
    return 0 if ended == EXPECTED else 1


def checks_of(tag: str, environment: dict[str, str]) -> list[str]:
    """What the checks of a launch came to, in a line."""
    command = tminus("ready", launch_of(tag))  # which says nothing of a launch without any
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    return [f"  {tag}  {line}" for line in done.stdout.splitlines()[1:2]]


def clear(environment: dict[str, str]) -> None:
    """Takes away what an earlier run left, its processes first."""
    if (STAGE / "home").exists():
        shut_down(environment)
    postgres.remove(STAGE / "database")
    if STAGE.exists():
        for path in STAGE.rglob("*"):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o700)  # artifacts are write-protected
        shutil.rmtree(STAGE)
    STAGE.mkdir(parents=True)


def free_port(*preferred: int) -> int:
    """The first of these that nobody has, else any port that is free."""
    for wanted in (*preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", wanted))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError("no port is free")


def git(*arguments: str) -> None:
    subprocess.run(["git", "-C", str(STAGE / "repository"), *arguments], check=True, timeout=30)


def start_launch(flags: list[str], environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "tminus.cli.main", "launch", *flags], cwd=STAGE / "repository", env=environment
    )


def start_users(
    port: int, launch: "subprocess.Popen[bytes]", rate_per_s: int
) -> "subprocess.Popen[bytes] | None":
    """Starts the users' requests as soon as the service answers for the first time."""
    url = f"http://127.0.0.1:{port}"
    until = time.monotonic() + ANSWER_LIMIT_S
    while time.monotonic() < until and launch.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/healthz", timeout=1):
                break
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    else:
        return None
    command = [sys.executable, str(HERE / "users.py"), "--url", url]
    command += ["--rate", str(rate_per_s), "--seconds", str(LOAD_LIMIT_S)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)


def stop_users(users: "subprocess.Popen[bytes] | None") -> dict[str, Any] | None:
    if users is None:
        return None
    users.send_signal(signal.SIGTERM)
    output, _ = users.communicate(timeout=30)
    (STAGE / "users.json").write_bytes(output)
    load: dict[str, Any] = json.loads(output)
    return load


def payments_by_version(url: str) -> list[tuple[str, int, int]]:
    """Version, its payments, and how many of them it declined."""
    counts = "version, count(*), count(*) FILTER (WHERE status = 'declined')"
    try:
        with psycopg.connect(url, connect_timeout=3) as connection:
            return connection.execute(f"SELECT {counts} FROM payments GROUP BY 1 ORDER BY 1").fetchall()
    except psycopg.Error:
        return []


def write_log(tags: Iterable[str], environment: dict[str, str]) -> None:
    """The log of every launch, in one file."""
    with (STAGE / "launches.log").open("wb") as log:
        for tag in tags:
            command = [sys.executable, "-m", "tminus.cli.main", "log", f"paymentapp-{tag.removeprefix('v')}"]
            subprocess.run(command, env=environment, stdout=log, check=False, timeout=30)


def shut_down(environment: dict[str, str]) -> None:
    """Ends the service: router, instances and supervisor."""
    code = "from tminus.wiring import open_home; "
    code += "home = open_home(); home.supervisor('paymentapp', 'production').shutdown(); "
    code += "boxes = home.containers('paymentapp', 'production'); boxes.drop(list(boxes.programs()))"
    # An engine that an earlier run had started is gone, and its containers with it.
    subprocess.run(
        [sys.executable, "-c", code], env=environment, check=False, timeout=30, stderr=subprocess.DEVNULL
    )


def tell(
    ended: dict[str, int],
    load: dict[str, Any] | None,
    paid: list[tuple[str, int, int]],
    asked: list[str],
    seconds: float,
    port: int | None,
    *,
    quiet: bool,
) -> None:
    """What happened, where it can be read, and what to try next."""
    out = sys.stderr if quiet else sys.stdout
    lines = ["", f"{len(ended)} launches in {seconds:.0f} s:"]
    lines += [
        f"  {tag}  {PROMOTED_OR_ROLLED_BACK.get(code, f'exit code {code}')}" for tag, code in ended.items()
    ]
    if load is not None:
        total, paying = load["total"], load["payments"]
        told = paying["accepted"] + paying["declined"]
        lines += [
            f"users sent {total['sent']} requests meanwhile:",
            f"  {total['lost']} got no answer, {total['cut']} were cut, {total['failed']} saw an error",
            f"  {told} payments were told, {paying['stored']} stored, {paying.get('missing')} are missing",
            f"  {paying.get('duplicated')} are stored twice, {paying.get('repeated')} requests came again",
            "payments:",
        ]
    lines += [f"  {version}  {count}, {bad * 100 / count:.1f} % declined" for version, count, bad in paid]
    lines += ["checks:", *asked] if asked else []
    stage = STAGE.relative_to(PROJECT)
    home = stage / "home"
    lines += [
        "",
        f"journal  {home}/journal/journal.db",
        f"sealed   {home}/heads/",
        f"log      {stage}/launches.log",
        f"plan     {stage}/repository/launch.yaml",
        f"backups  {home}/backups/",
        f"users    {stage}/users.json",
        "",
        "try next:",
        f"  export TMINUS_HOME=$PWD/{home} PATH=$PWD/.venv/bin:$PATH",
        "  tminus log paymentapp-1.2.0",
        "  tminus verify paymentapp-1.1.0",
        "  tminus why paymentapp-1.1.0",
        "  tminus ready paymentapp-1.1.0 --all",
        f"  tminus plan {stage}/repository/launch.yaml",
    ]
    if port is not None:
        lines.append(
            f"  curl http://127.0.0.1:{port}/    # it runs on with its database; the next run begins anew"
        )
    print("\n".join(lines), file=out)


if __name__ == "__main__":
    sys.exit(main())
