"""Rollbacks ordered by a person during complete launches at load, for the cutover benchmark."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench import SAMPLE
from clients import prober
from figures import Rollbacks
from prober import SLOTS

from tminus.domain.launch.phase import TERMINAL, Phase
from tminus.testing.sample import BRISK, laid_over
from tminus.testing.stand import Stand
from tminus.testing.sweep import QUICK
from tminus.wiring import open_home

RATE_PER_S = 300
PROBE_RATE = 500
PLAN = {
    "bake": {"for": "60s", "reading": "10s"},
    # Nothing but the order ends these launches, also where a busy machine answers slowly for a while.
    "triggers": [
        {"error_rate": "1 %", "over": "1s", "min_requests": 5, "then": "rollback"},
        {"p95": "5s", "over": "1s", "min_requests": 5, "then": "rollback"},
    ],
}


def measure_rollbacks(count: int, say: Callable[[str], None]) -> Rollbacks:
    """Launches to bake and rolls back, so many times."""
    found = Rollbacks(RATE_PER_S + PROBE_RATE, [])
    orders: list[tuple[int, int, int]] = []
    with tempfile.TemporaryDirectory(prefix="tm-") as name:
        directory = Path(name) / "s"
        plan = laid_over(BRISK, QUICK)
        with Stand(open_home(directory / "home"), directory, SAMPLE, plan) as stand:
            stand.serve()
            stand.start_agent()
            notes = Path(name) / "notes"
            with prober(stand.port, notes, PROBE_RATE) as probed:
                begun: list[int] = []
                for number in range(2, count + 2):
                    begun.append(time.monotonic_ns())
                    run = f"rollback-{number}"
                    with stand.load(RATE_PER_S, run=run) as load:
                        order = _one(stand, f"1.1.{number}")
                    found.others += order is None
                    orders += [order] if order else []
                    total = load.end().total
                    found.requests += total.sent
                    found.lost += total.lost + total.cut
                    found.failed += total.failed
                    found.duplicates += stand.sample.duplicates(run)
                    say(f"rollback {number - 1} of {count}: {total.not_served} of {total.sent} not served")
                    for lost in load.end().failures[:3]:
                        say(f"  {lost.kind} {lost.fate} {lost.status} {lost.served_by} {lost.why}")
                    if total.not_served:
                        say(stand.run("log", "hello").stdout)
        found.requests += len(probed.notes)
        found.lost += probed.lost
        for note in probed.notes:
            if note.is_lost:
                launch = sum(at_ns <= note.began_ns for at_ns in begun)
                after_s = (note.began_ns - begun[launch - 1]) / 1e9
                say(f"  beside launch {launch}, {after_s:.3f} s in: {note.why}")
        for began_ns, ended_ns, slot in orders:
            answered = [note.ended_ns for note in probed.notes if note.slot == slot]
            last_ns = max((at_ns for at_ns in answered if began_ns <= at_ns < ended_ns), default=began_ns)
            found.last_ms.append((last_ns - began_ns) / 1e6)
    return found


def _one(stand: Stand, version: str) -> tuple[int, int, int] | None:
    """When the command was started and the launch had ended, and its slot; None where it ended by itself."""
    stand.sample.release(version, PLAN)
    launch = stand.enter().launch

    def baking() -> bool:
        state = stand.state(launch)
        return state.phase in TERMINAL or (state.phase is Phase.BAKING and state.confirmed)

    stand.wait(baking, "bake")
    began_ns = time.monotonic_ns()
    done = stand.run("rollback", launch, "--reason", "measured")
    state = stand.wait_end(launch)
    if done.returncode or state.outcome != "rolled-back":
        return None
    return began_ns, time.monotonic_ns(), SLOTS[state.candidate.value.encode()]
