"""Launches the sample service for real, three times: a first launch, a good release, and one that fails.

Usage: python examples/hello/launch.py [--plain | --json] [--keep]

Everything happens on this machine, under `.tminus/hello` of this project: a git repository with three
tags, a supervisor, a router, users' requests on loopback. v1.0.0 goes live, v1.1.0 takes over without
losing a request, v1.2.0 passes every smoke test, fails once it is under load, and is rolled back by
itself.
"""

import argparse
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from make_repository import make_repository

PROJECT = Path(__file__).resolve().parents[2]
STAGE = PROJECT / ".tminus" / "hello"
USERS_PER_S = 300
LOAD_LIMIT_S = 300
ANSWER_LIMIT_S = 60
EXPECTED = {"v1.0.0": 0, "v1.1.0": 0, "v1.2.0": 3}
PROMOTED_OR_ROLLED_BACK = {0: "promoted", 3: "rolled back"}


def main() -> int:
    """Runs the three launches; 0 when each ended as it should."""
    parser = argparse.ArgumentParser(description="Launch the sample service three times, for real.")
    parser.add_argument("--plain", action="store_true", help="log lines only, no live view")
    parser.add_argument("--json", action="store_true", help="one JSON object per event")
    parser.add_argument("--keep", action="store_true", help="leave the service running at the end")
    options = parser.parse_args()
    STAGE.parent.mkdir(exist_ok=True)
    with (STAGE.parent / "hello.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another run of this sample is under way in this folder", file=sys.stderr)
            return 1
        return launch_all(options)


def launch_all(options: argparse.Namespace) -> int:
    """The three launches, one after the other, under users' requests."""
    flags = [name for name, wanted in (("--plain", options.plain), ("--json", options.json)) if wanted]
    environment = {**os.environ, "TMINUS_HOME": str(STAGE / "home")}
    clear(environment)
    port = free_port()
    make_repository(STAGE / "repository", port)
    began = time.monotonic()
    users = None
    ended: dict[str, int] = {}
    try:
        for tag, expected in EXPECTED.items():
            git("checkout", "--quiet", tag)
            launch = start_launch(flags, environment)
            if users is None:
                users = start_users(port, launch)
            ended[tag] = launch.wait()
            if ended[tag] != expected:
                break
    finally:
        load = stop_users(users)
        if not options.keep:
            shut_down(environment)
    tell(ended, load, time.monotonic() - began, port if options.keep else None, quiet=options.json)
    return 0 if ended == EXPECTED else 1


def clear(environment: dict[str, str]) -> None:
    """Takes away what an earlier run left, its processes first."""
    if (STAGE / "home").exists():
        shut_down(environment)
    if STAGE.exists():
        for path in STAGE.rglob("*"):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o700)  # artifacts are write-protected
        shutil.rmtree(STAGE)
    STAGE.mkdir(parents=True)


def free_port() -> int:
    """8080 where nobody has it, else any port that is free."""
    for wanted in (8080, 0):
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


def start_users(port: int, launch: "subprocess.Popen[bytes]") -> "subprocess.Popen[bytes] | None":
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
    command = [sys.executable, "-m", "tminus.adapters.http.load", "--url", url]
    command += ["--rate", str(USERS_PER_S), "--seconds", str(LOAD_LIMIT_S)]
    command += ["--path", "/", "--path", "/dashboard", "--post-path", "/payments"]
    command += ["--post-body", '{"amount": 1}']
    return subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)


def stop_users(users: "subprocess.Popen[bytes] | None") -> dict[str, int] | None:
    if users is None:
        return None
    users.send_signal(signal.SIGTERM)
    output, _ = users.communicate(timeout=30)
    total: dict[str, int] = json.loads(output)["total"]
    return total


def shut_down(environment: dict[str, str]) -> None:
    """Ends the service: router, instances and supervisor."""
    code = "from tminus.wiring import open_home; open_home().supervisor('hello', 'production').shutdown()"
    subprocess.run([sys.executable, "-c", code], env=environment, check=False, timeout=30)


def tell(
    ended: dict[str, int], load: dict[str, int] | None, seconds: float, port: int | None, *, quiet: bool
) -> None:
    """What happened, where it can be read, and what to try next."""
    out = sys.stderr if quiet else sys.stdout
    lines = ["", f"{len(ended)} launches in {seconds:.0f} s:"]
    lines += [
        f"  {tag}  {PROMOTED_OR_ROLLED_BACK.get(code, f'exit code {code}')}" for tag, code in ended.items()
    ]
    if load is not None:
        lines.append(
            f"users sent {load['sent']} requests meanwhile: {load['lost']} got no answer, "
            f"{load['cut']} were cut, {load['failed']} saw an error"
        )
    home = STAGE.relative_to(PROJECT) / "home"
    lines += [
        "",
        f"journal  {home}/journal/journal.db",
        f"sealed   {home}/heads/",
        f"plan     {STAGE.relative_to(PROJECT)}/repository/launch.yaml",
        "",
        "try next:",
        f"  export TMINUS_HOME=$PWD/{home} PATH=$PWD/.venv/bin:$PATH",
        "  tminus log hello-1.2.0",
        "  tminus verify hello-1.1.0",
        f"  tminus plan {STAGE.relative_to(PROJECT)}/repository/launch.yaml",
    ]
    if port is not None:
        lines.append(f"  curl http://127.0.0.1:{port}/        # it runs on; the next run begins anew")
    print("\n".join(lines), file=out)


if __name__ == "__main__":
    sys.exit(main())
