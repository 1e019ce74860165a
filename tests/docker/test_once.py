"""A command that runs once in an image: as the works `command` and `migrate` have it run."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest

from tests.dataplane.plane import settle
from tests.docker.engine import SMALL, Yard
from tminus.adapters.command.work import command
from tminus.adapters.docker import container as box
from tminus.adapters.docker.engine import Engine
from tminus.domain.canonical import Json
from tminus.domain.codec import to_json
from tminus.domain.problem import ProblemError

pytestmark = [pytest.mark.slow, pytest.mark.integration, pytest.mark.req("R6"), pytest.mark.timeout(240)]

KEEPER = "tests-once"


@pytest.fixture
def engine(yard: Yard) -> Iterator[Engine]:
    with closing(Engine(yard.dockerd.url)) as found:
        yield found


@pytest.fixture
def arguments(yard: Yard, digests: dict[int, str]) -> dict[str, Any]:
    order = {"engine": yard.dockerd.url, "keeper": KEEPER, "network": "tminus-once-tests"}
    return {
        "artifact": digests[1],
        "artifacts_directory": str(yard.artifacts),
        "environment": {"GREETING": "hello"},
        "secrets": {"TOKEN": "env:TOKEN"},
        "deadline_ms": 60_000,
        "container": to_json(SMALL),
        "once": {"program": [sys.executable, "-P", "-m", "tminus.adapters.docker.once"], "order": order},
    }


def run(arguments: Mapping[str, Any], job: Path, *words: str, stop: threading.Event | None = None) -> str:
    """What the command has printed."""
    body = cast("Json", {**arguments, "command": list(words)})
    command(body, job, stop or threading.Event())
    return (job / "command.log").read_text(encoding="utf-8")


def left(engine: Engine) -> list[dict[str, Any]]:
    return box.find(engine, {box.KEEPER: KEEPER})


def test_it_runs_in_the_image_with_its_variables_and_leaves_nothing(
    arguments: dict[str, Any], engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "very-secret-token")
    script = (
        "import os; print(os.getcwd(), os.environ['GREETING'], os.environ['TOKEN'], 'HOME' in os.environ)"
    )
    said = run(arguments, tmp_path, "python3", "-c", script)
    # An engine sets HOME by itself for the image's user.
    assert said in ("/srv hello [secret] True\n", "/srv hello [secret] False\n")
    assert left(engine) == []


def test_its_failure_and_its_deadline_are_told(
    arguments: dict[str, Any], engine: Engine, tmp_path: Path
) -> None:
    with pytest.raises(ProblemError) as refusal:
        run(arguments, tmp_path, "sh", "-c", "echo no luck; exit 7")
    assert refusal.value.problems[0].code == "command-failed"
    assert "ended with 7" in str(refusal.value)
    assert "no luck" in str(refusal.value)
    with pytest.raises(ProblemError) as refusal:
        run({**arguments, "deadline_ms": 4_000}, tmp_path, "sleep", "1000")
    assert refusal.value.problems[0].code == "command-deadline"
    assert left(engine) == []


def test_it_ends_when_it_is_told_to(arguments: dict[str, Any], engine: Engine, tmp_path: Path) -> None:
    stop = threading.Event()

    def tell() -> None:
        with closing(Engine(engine.url)) as own:
            settle(lambda: any(each["State"] == "running" for each in left(own)))
        stop.set()

    threading.Thread(target=tell).start()
    with pytest.raises(ProblemError) as refusal:
        run(arguments, tmp_path, "sleep", "1000", stop=stop)
    assert refusal.value.problems[0].code == "command-stopped"
    assert left(engine) == []


def test_it_ends_when_the_job_is_killed(arguments: dict[str, Any], engine: Engine, tmp_path: Path) -> None:
    """Whoever had asked for it can say nothing any more; its guard takes it away."""
    body = json.dumps({**arguments, "command": ["sleep", "1000"]})
    code = "import json, sys, threading; from pathlib import Path; "
    code += "from tminus.adapters.command.work import command; "
    code += "command(json.loads(sys.argv[1]), Path(sys.argv[2]), threading.Event())"
    job = subprocess.Popen([sys.executable, "-c", code, body, str(tmp_path)], start_new_session=True)
    settle(lambda: any(each["State"] == "running" for each in left(engine)))
    os.kill(job.pid, signal.SIGKILL)
    job.wait()
    settle(lambda: left(engine) == [])


def test_what_a_run_before_has_left_is_taken_away_first(
    arguments: dict[str, Any], engine: Engine, tmp_path: Path
) -> None:
    image = f"tminus-left-{tmp_path.name}"
    labels = {box.KEEPER: KEEPER, box.ONCE: tmp_path.name}
    made = engine.post(
        "/containers/create",
        {"name": image},
        {"Image": "tminus-base:1", "Cmd": ["sleep", "9"], "Labels": labels},
    )
    engine.post(f"/containers/{made['Id']}/start")
    assert run(arguments, tmp_path, "echo", "done") == "done\n"
    assert left(engine) == []
