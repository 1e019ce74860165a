"""Runs the console blocks of one page in one shell's surroundings: folder and variables stay."""

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from tests.architecture.tree import ROOT
from tests.docs.pages import Block, exchanges, fits

COMMAND_LIMIT_S = 110
PHASE_LIMIT_S = 60


class Shell:
    """Where the commands of a page run."""

    def __init__(self, directory: Path) -> None:
        self._root = self._directory = directory
        self._environment = {
            "PATH": f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}",
            "HOME": str(directory),
            "TMINUS_HOME": str(directory / "state"),
            "LANG": "C.UTF-8",
            "COLUMNS": "80",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "Ada",
            "GIT_AUTHOR_EMAIL": "ada@example.org",
            "GIT_COMMITTER_NAME": "Ada",
            "GIT_COMMITTER_EMAIL": "ada@example.org",
        }
        self._background: list[subprocess.Popen[bytes]] = []

    def write(self, block: Block) -> None:
        (self._directory / block.marks["file"]).write_text(block.text, encoding="utf-8")

    def run(self, block: Block) -> None:
        """Runs the block and compares; `background` goes on, `when=PHASE` waits for the newest launch."""
        if block.marks.get("when"):
            self._wait_for(block.marks["when"])
        for exchange in exchanges(block):
            if "background" in block.marks:
                self._background.append(self._start(exchange.command))
                continue
            code, output = self._do(exchange.command)
            assert code in {0, int(block.marks.get("exit", "0"))}, (
                f"{block.place}: {exchange.command}: {output}"
            )
            if exchange.shown is not None:
                assert fits(exchange.shown, output), f"{block.place}: {exchange.command} printed\n{output}"

    def close(self) -> None:
        for process in self._background:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)

    def shut_down(self, service: str) -> None:
        """Ends what the page has left running."""
        stop = f"open_home().supervisor({service!r}, 'production').shutdown()"
        code = f"from tminus.wiring import open_home; {stop}"
        self._do(f'if test -d "$TMINUS_HOME/services"; then python -c "{code}"; fi')

    def _start(self, command: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            ["bash", "-c", command],
            cwd=self._directory,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _do(self, command: str) -> tuple[int, str]:
        """Exit code and output; folder and variables are taken over into the next command."""
        after = self._root / ".after"
        script = f'{command}\ncode=$?; pwd -P > "{after}"; env -0 >> "{after}"; exit $code'
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self._directory,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=COMMAND_LIMIT_S,
            check=False,
        )
        folder, _, variables = after.read_text(encoding="utf-8").partition("\n")
        self._directory = Path(folder)
        pairs = (entry.partition("=") for entry in variables.split("\0") if entry)
        self._environment = {name: value for name, _, value in pairs if name not in {"_", "SHLVL", "OLDPWD"}}
        return done.returncode, done.stdout.decode()

    def _wait_for(self, phase: str) -> None:
        until = time.monotonic() + PHASE_LIMIT_S
        seen = ""
        while seen != phase:
            assert time.monotonic() < until, f"the launch is {seen}, never {phase}"
            time.sleep(0.5)
            _, output = self._do("tminus why --json")
            seen = json.loads(output)["phase"] if output.startswith("{") else output


def remove(folder: Path) -> None:
    """Artifacts are write-protected, and still have to go."""
    for path in (folder, *folder.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)
    shutil.rmtree(folder)
