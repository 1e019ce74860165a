"""Simulated launches whose logs and views are held to full texts.

`python -m tests.golden.log.worlds` writes the texts anew, for whoever has looked at what changed in them.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console, Group

from tminus.cli.view_frame import frame
from tminus.cli.view_live import LiveView
from tminus.domain.canonical import Json, digest_of
from tminus.domain.codec import to_json
from tminus.domain.launch.event import decode
from tminus.domain.launch.phase import Phase
from tminus.domain.report.log import LogLine, log_lines, render
from tminus.engine.drive import Driver, Tick
from tminus.testing.world.scenario import Scenario
from tminus.testing.world.world import LAUNCH, START_MS, World

TEXTS = Path(__file__).with_name("texts")
CALM = Scenario(
    first_launch=False,
    error_share=0.0,
    slow_share=0.0,
    good_for_ms=0,
    boot_fails=False,
    smoke_fails=False,
    requests_per_s=100,
    drain_ms=1_000,
    boot_ms=1_000,
    faults=frozenset(),
    fault_rate=0.0,
    calm_ms=20_000,
    orders=(),
)
PATHS = ("POST /auth/login", "POST /payments/process", "GET /dashboard")


def scenario(**changes: Any) -> Scenario:  # noqa: ANN401 - fields of Scenario, of several types
    return Scenario(**{**{name: getattr(CALM, name) for name in Scenario.__slots__}, **changes})


SCENARIOS: Mapping[str, Scenario] = {
    "good": CALM,
    "rolled-back": scenario(error_share=0.2, good_for_ms=3_000),
    "scrubbed": scenario(smoke_fails=True),
    "held": scenario(orders=((9_250, "hold", True), (11_750, "resume", True))),
    "withdrawn": scenario(first_launch=True, orders=((11_250, "withdraw", True),)),
    "taken-over": CALM,
    "not-up": scenario(boot_fails=True),
    "slow": scenario(slow_share=0.3),
    "weighed": scenario(weighed=True, requests_per_s=300),
    "weighed-bad": scenario(weighed=True, requests_per_s=300, error_share=0.1, good_for_ms=6_000),
    "looked-at": scenario(
        stages=True,
        orders=((11_750, "look", True), (15_750, "silence", True), (16_250, "acknowledge", True)),
    ),
}


class ToldWorld(World):
    """A world whose smoke suite answers request by request, and that can be stopped to be looked at."""

    def __init__(self, name: str, until: Callable[[Tick], bool] = lambda _: False) -> None:
        # In the taken-over launch the first driver dies with an append, while instances start.
        super().__init__(7, SCENARIOS[name], crash_at=18 if name == "taken-over" else None)
        self.last: Tick | None = None
        self._until = until

    def _answer(self, work: str, arguments: Json) -> Json:
        if work not in ("smoke", "artifact-smoke"):
            return super()._answer(work, arguments)
        assert isinstance(arguments, dict)
        if work == "artifact-smoke":
            alone: Json = {"target": "http://127.0.0.1:9300", "passed": True, "answers": self._answers(0)}
            return {"passed": True, "targets": [alone], "boot_ms": 900}
        assert isinstance(arguments["targets"], list)
        passed = not self.scenario.smoke_fails
        targets: list[Json] = [
            {"target": target, "passed": passed, "attempts": 1, "answers": self._answers(index)}
            for index, target in enumerate(arguments["targets"])
        ]
        return {"passed": passed, "targets": targets}

    def _answers(self, index: int) -> list[Json]:
        broken = "POST /payments/process" if self.scenario.smoke_fails and index == 1 else ""
        return [
            {
                "name": path,
                "passed": path != broken,
                "duration_ms": 90 + 40 * number + index,
                "status": 503 if path == broken else 200,
                "why": "status 503, expected 200" if path == broken else "",
            }
            for number, path in enumerate(PATHS)
        ]

    def _tick(self, driver: Driver) -> Tick:
        self.last = super()._tick(driver)
        if self._until(self.last):
            raise Stopped
        return self.last


class Stopped(Exception):  # noqa: N818 - not an error
    """The world stands still to be looked at."""


def world(name: str, until: Callable[[Tick], bool] = lambda _: False) -> ToldWorld:
    told = ToldWorld(name, until)
    try:
        result = told.run()
        assert not result.violation
    except Stopped:
        pass
    return told


def lines(told: World) -> list[LogLine]:
    records = told.journal.read(LAUNCH)
    return list(
        log_lines((decode(each.kind, each.version, each.body), each.at_ms, each.seq) for each in records)
    )


def log_text(name: str) -> str:
    told = world(name)
    return without_digest(told, render(lines(told), colour=False, ascii_only=False, width=100))


def without_digest(told: World, text: str) -> str:
    """A plan's digest changes with every field that plans gain; something as long stands for it."""
    return text.replace(digest_of(to_json(told.plan))[:19], "sha256:plan-digest-")


MOMENTS: Mapping[str, tuple[str, Callable[[Tick], bool]]] = {
    "cutover": ("good", lambda tick: tick.observation.now_ms >= START_MS + 11_250),
    "held": ("held", lambda tick: tick.observation.now_ms >= START_MS + 10_250),
    "rolling-back": ("rolled-back", lambda tick: tick.state.phase is Phase.ROLLING_BACK),
    "watching": ("good", lambda tick: tick.state.phase is Phase.WATCHING and tick.state.retired),
    "first": ("withdrawn", lambda tick: tick.state.phase is Phase.VERIFYING),
}
SIZES = ((80, 24), (120, 40))


def view_text(moment: str, columns: int, rows: int) -> str:
    """The picture as a terminal of that size shows it, colours left out."""
    name, until = MOMENTS[moment]
    told = world(name, until)
    console = Console(record=True, width=columns, height=rows, color_system=None, file=NOWHERE)
    view = LiveView(
        console, f"{LAUNCH}-2023-11-14", told.clock.now_ms, lambda _: told.journal.samples(LAUNCH, 0)
    )
    assert told.last is not None
    view.take(told.last, told.journal.read(LAUNCH))
    look = view.look(told.last.state, told.clock.now_ms())
    console.print(Group(*frame(look, columns, rows)))
    shown = without_digest(told, console.export_text())
    return "".join(f"{row.rstrip()}\n" for row in shown.splitlines())


class _Nowhere:
    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None: ...


NOWHERE: Any = _Nowhere()


def main() -> None:
    for name in SCENARIOS:
        (TEXTS / f"{name}.txt").write_text(log_text(name), encoding="utf-8")
    for moment in MOMENTS:
        for columns, rows in SIZES:
            text = view_text(moment, columns, rows)
            (TEXTS / f"view-{moment}-{columns}x{rows}.txt").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
