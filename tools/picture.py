"""Draws the picture of a running launch for the README: a real launch, shown by the real live view.

Usage: python tools/picture.py [docs/images/launch.svg]

Launches the sample service twice in a temporary folder, with users on loopback, and keeps what the live
view shows while half of the traffic is on the candidate of the second launch. Takes about 40 seconds.
"""

import io
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from examples.hello.make_repository import make_repository  # noqa: E402 - found through the line above
from tminus.adapters.clock.system_clock import SystemClock  # noqa: E402 - as above
from tminus.cli.driving import Driving  # noqa: E402 - as above
from tminus.cli.follow import Follower  # noqa: E402 - as above
from tminus.cli.launch import enter  # noqa: E402 - as above
from tminus.cli.view_live import LiveView  # noqa: E402 - as above
from tminus.engine.drive import Tick  # noqa: E402 - as above
from tminus.wiring import Home, open_home  # noqa: E402 - as above

PICTURE = ROOT / "docs" / "images" / "launch.svg"
COLUMNS, ROWS = 104, 32
MOST_BYTES = 200_000
USERS_PER_S = 120
HALF_BP = 5_000
LIMIT_S = 120


def main() -> int:
    """Writes the picture; 0 when there is one."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE
    with tempfile.TemporaryDirectory(prefix="tminus-picture-") as folder:
        svg = picture(Path(folder))
    if not 0 < len(svg) < MOST_BYTES:
        print(f"no picture: {len(svg)} bytes", file=sys.stderr)
        return 1
    target.parent.mkdir(parents=True, exist_ok=True)
    # The viewer's own fixed-width font: a picture should fetch nothing from elsewhere.
    target.write_text(re.sub(r"@font-face \{[^}]*\}\s*", "", svg), encoding="utf-8")
    print(f"{target}: {len(svg)} bytes")
    return 0


def picture(folder: Path) -> str:
    """The second launch of the sample service, at half of the traffic, as SVG."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    repository = folder / "repository"
    make_repository(repository, port)
    home = open_home(folder / "home")
    users = None
    try:
        check_out(repository, "v1.0.0")
        first = subprocess.Popen(
            [sys.executable, "-m", "tminus.cli.main", "launch", "--plain"],
            cwd=repository,
            env={**os.environ, "TMINUS_HOME": str(home.root)},
            stdout=subprocess.DEVNULL,
        )
        users = start_users(port)
        if first.wait(LIMIT_S):
            return ""
        check_out(repository, "v1.1.0")
        return second_launch(home, repository)
    finally:
        if users is not None:
            users.send_signal(signal.SIGTERM)
            users.wait(LIMIT_S)
        home.supervisor("hello", "production").shutdown()
        home.close()
        for path in folder.rglob("*"):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o700)  # artifacts are write-protected


def second_launch(home: Home, repository: Path) -> str:
    """Drives it to its end here; what the view shows at half of the traffic."""
    row = enter(home, repository / "launch.yaml", "ada", allow_dirty_tree=False)
    console = Console(
        record=True, file=io.StringIO(), force_terminal=True, width=COLUMNS, height=ROWS, color_system="256"
    )
    view = LiveView(
        console,
        row.launch,
        SystemClock().now_ms,
        lambda since_ms: home.store.ring.samples(row.launch, since_ms),
    )
    follower = Follower(home, row, view)
    kept = ""

    def on_tick(tick: Tick) -> None:
        nonlocal kept
        console.export_text()  # forgets the pictures before this one
        follower.on_tick(tick)
        if tick.state.share_bp == HALF_BP and tick.state.confirmed:
            kept = console.export_svg(title="tminus launch", clear=False) if drawn(console) else kept

    with view:
        Driving(home, row, on_tick, follower.on_defect).run()
    return kept


def drawn(console: Console) -> bool:
    """Whether a picture was drawn since the last export."""
    return bool(console.export_text(clear=False).strip())


def check_out(repository: Path, tag: str) -> None:
    """The plan of a release is the one in its tree."""
    subprocess.run(["git", "-C", str(repository), "checkout", "--quiet", tag], check=True, timeout=30)


def start_users(port: int) -> "subprocess.Popen[bytes]":
    """Requests on loopback; those before the first launch is up go unanswered."""
    command = [sys.executable, "-m", "tminus.adapters.http.load", "--url", f"http://127.0.0.1:{port}"]
    command += ["--rate", str(USERS_PER_S), "--seconds", str(LIMIT_S), "--path", "/", "--path", "/dashboard"]
    command += ["--post-path", "/payments", "--post-body", '{"amount": 1}']
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    sys.exit(main())
