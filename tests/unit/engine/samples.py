"""States and observations as they really occur, from simulated worlds, and ways to take readings away."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from random import Random
from typing import Any

from tminus.domain.launch.phase import Phase
from tminus.domain.launch.reading import FaultReading, JobPhase, JobReading, RouterReading
from tminus.domain.launch.slot import Slot
from tminus.domain.launch.state import LaunchState
from tminus.domain.watch.counts import Sample
from tminus.engine.decide.launch.orders import VERBS
from tminus.engine.decide.step import Observation
from tminus.engine.drive import Driver, Tick
from tminus.ports.journal import Order
from tminus.testing.world.scenario import Scenario, draw
from tminus.testing.world.world import World

WORLDS = 40  # about two seconds; they pass through every phase, see the test of it
PER_PHASE = 60  # looks kept of a phase: enough for its variety, few enough to be quick
NO_ANSWER = FaultReading("source", "timeout", "no answer within a second")
RESULTS: tuple[Any, ...] = (
    None,
    {},
    [],
    {"passed": False},
    {"passed": False, "targets": [None, {}]},
    {"digest": 1},
)


@dataclass(frozen=True, slots=True)
class Look:
    """What one tick was decided from."""

    state: LaunchState
    observation: Observation
    samples: Sequence[Sample]


class _Recorder(Driver):
    """A driver that writes down what each of its decisions was made from."""

    looks: list[Look]

    def tick(self) -> Tick:
        state = self.state
        tick = super().tick()
        self.looks.append(Look(state, tick.observation, self.observer.samples))
        return tick


@cache
def looks() -> tuple[Look, ...]:
    """Looks of `WORLDS` worlds, at most `PER_PHASE` of each phase, spread over the worlds."""
    found: list[Look] = []
    recorder = type("Recorder", (_Recorder,), {"looks": found})
    for seed in range(WORLDS):
        world = World(seed, _world(seed))
        world.driver_class = recorder
        world.run()
    chosen: list[Look] = []
    for phase in Phase:
        of_phase = [look for look in found if look.state.phase is phase]
        chosen += Random(phase.value).sample(of_phase, min(PER_PHASE, len(of_phase)))
    return tuple(chosen)


def _world(seed: int) -> Scenario:
    scenario = draw(Random(seed))
    if seed % 4:
        return scenario
    # Every fourth world has a good release and traffic, so that the later phases are seen often.
    return replace(scenario, error_share=0.0, slow_share=0.0, requests_per_s=100, smoke_fails=False)


def blanked(look: Look, random: Random) -> Look:
    """The same look with some of its readings taken away, and with trouble of other kinds."""
    observation, samples = look.observation, look.samples
    for blank in random.sample(_BLANKS, random.randrange(1, 4)):
        observation = blank(observation, random)
    if random.random() < 0.2:
        samples = samples[: random.randrange(len(samples) + 1)]
    return replace(look, observation=observation, samples=samples)


def _no_router(seen: Observation, random: Random) -> Observation:
    return replace(seen, router=NO_ANSWER)


def _no_slots(seen: Observation, random: Random) -> Observation:
    return replace(seen, slots=NO_ANSWER)


def _no_slot(seen: Observation, random: Random) -> Observation:
    slots = {} if isinstance(seen.slots, FaultReading) else seen.slots
    gone = random.choice(list(Slot))
    return replace(seen, slots={slot: reading for slot, reading in slots.items() if slot is not gone})


def _no_jobs(seen: Observation, random: Random) -> Observation:
    return replace(seen, jobs={}, jobs_read=random.random() < 0.5)


def _ended_jobs(seen: Observation, random: Random) -> Observation:
    jobs = {
        key: JobReading(key, random.choice(list(JobPhase)), random.choice(RESULTS))
        for key in ("build", "smoke", "critical-paths", "meter")
    }
    return replace(seen, jobs={**seen.jobs, **jobs})


def _bare_router(seen: Observation, random: Random) -> Observation:
    if not isinstance(seen.router, RouterReading):
        return seen
    return replace(seen, router=RouterReading(seen.router.route, seen.router.committed))


def _no_hosting(seen: Observation, random: Random) -> Observation:
    return replace(seen, hosting=None)


def _no_journal(seen: Observation, random: Random) -> Observation:
    return replace(seen, journal_open=False)


def _another_time(seen: Observation, random: Random) -> Observation:
    return replace(seen, now_ms=seen.now_ms + random.choice((-60_000, -1, 1, 20_000, 10**9)))


def _people(seen: Observation, random: Random) -> Observation:
    orders = tuple(
        Order(
            f"p{number}",
            random.choice([*sorted(VERBS), "fly"]),
            "ann",
            "",
            seen.now_ms,
            random.choice(("", "soon", "5", str(seen.now_ms + 9_000))),
        )
        for number in range(random.randrange(1, 4))
    )
    return replace(seen, orders=(*seen.orders, *orders))


_BLANKS = (
    _no_router,
    _no_slots,
    _no_slot,
    _no_jobs,
    _ended_jobs,
    _bare_router,
    _no_hosting,
    _no_journal,
    _another_time,
    _people,
)
