"""What a world is like, drawn from its seed: the releases, the traffic, the faults, the people."""

from dataclasses import dataclass, replace
from random import Random

from tminus.domain.launch.external import TOLD_ALERT
from tminus.testing.world.checked import NEVER_MS

FAULTS = (
    "error-before",
    "error-after",
    "timeout",
    "lost-write",
    "stale-read",
    "slow-boot",
    "flapping",
    "metric-gap",
    "lease-loss",
    "disk-full",
    "crash",
    "freeze",
    "router-restart",
    "router-down",
    "candidate-dies",
    "stable-dies",
)
"""Every kind of fault a world may have; `freeze` brings a second controller."""


WEIGHED_SHARE = 0.3
"""Worlds whose plan is judged by evidence; the others have windows."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One world.

    Attributes:
        first_launch: there is no stable slot.
        error_share: of the candidate's requests, once it has traffic.
        slow_share: of the candidate's answers that take 800 ms.
        good_for_ms: how long it behaves once it has traffic.
        boot_fails: the candidate never becomes healthy.
        smoke_fails: its smoke suite fails.
        database: the plan has one, with migrations, integrity and a question.
        migration_fails: the expand migration fails.
        stages: the watch has stages, in which people have to look.
        artifact_fails: the artifact fails its smoke suite when it is started alone.
        measured: the plan has a metric, with a limit that rolls back.
        hot: the metric is beyond its limit from the beginning.
        requests_per_s: users' traffic.
        drain_ms: how long the longest request in flight goes on.
        boot_ms: how long an instance takes to become healthy.
        faults: kinds that happen in this world.
        fault_rate: chance that a call is hit, while faults last.
        calm_ms: after so long no new fault happens.
        orders: (at_ms, verb, direct) in the order given.
        weighed: its plan is judged by evidence, not over windows.
        checked: its plan has checks.
        ready_after_ms: a machine answers one of them well after so long.
    """

    first_launch: bool
    error_share: float
    slow_share: float
    good_for_ms: int
    boot_fails: bool
    smoke_fails: bool
    requests_per_s: int
    drain_ms: int
    boot_ms: int
    faults: frozenset[str]
    fault_rate: float
    calm_ms: int
    orders: tuple[tuple[int, str, bool], ...]
    database: bool = False
    migration_fails: bool = False
    stages: bool = False
    artifact_fails: bool = False
    measured: bool = False
    hot: bool = False
    weighed: bool = False
    checked: bool = False
    ready_after_ms: int = 0


def draw(random: Random) -> Scenario:
    """A world, mostly of good releases with some trouble, now and then of bad ones with a lot."""
    kinds = random.sample(FAULTS, random.choice((0, 1, 2, 3, 5)))
    faults = frozenset(kinds)
    verbs = ("hold", "resume", "abort", "rollback", "scrub", "withdraw", "hold", "contract", "rollback")
    orders = tuple(
        sorted(
            (random.randrange(500, 25_000), random.choice(verbs), random.random() < 0.5)
            for _ in range(random.choice((0, 0, 0, 1, 1, 2)))
        )
    )
    world = Scenario(
        first_launch=random.random() < 0.1,
        error_share=random.choice((0.0, 0.0, 0.0, 0.0, 0.02, 0.2, 1.0)),
        slow_share=random.choice((0.0, 0.0, 0.0, 0.0, 0.0, 0.3)),
        good_for_ms=random.choice((0, 0, 3_000, 8_000, 12_000)),
        boot_fails=random.random() < 0.03,
        smoke_fails=random.random() < 0.03,
        database=random.random() < 0.5,
        migration_fails=random.random() < 0.05,
        requests_per_s=random.choice((0, 30, 100, 100, 300, 300)),
        drain_ms=random.choice((0, 100, 1_000, 3_000, 12_000)),
        boot_ms=random.choice((300, 1_000)),
        faults=faults,
        fault_rate=random.choice((0.003, 0.01, 0.03, 0.1)),
        calm_ms=random.choice((20_000, 60_000)),
        orders=orders,
    )
    world = replace(world, stages=random.random() < 0.5, orders=_with_looks(random, orders))
    world = replace(world, artifact_fails=random.random() < 0.03)
    world = replace(world, measured=random.random() < 0.5, hot=random.random() < 0.15)
    world = replace(world, weighed=random.random() < WEIGHED_SHARE)
    ready_after_ms = random.choice((0, 0, 0, 4_000, 8_000, NEVER_MS))
    return replace(world, checked=random.random() < 0.15, ready_after_ms=ready_after_ms)


def _with_looks(
    random: Random, orders: tuple[tuple[int, str, bool], ...]
) -> tuple[tuple[int, str, bool], ...]:
    """The same with people who look, silence and acknowledge now and then, or never."""
    verbs = ("look", "look", "look", "silence", "acknowledge", TOLD_ALERT)
    more = tuple(
        (random.randrange(5_000, 40_000), random.choice(verbs), random.random() < 0.5)
        for _ in range(random.choice((0, 0, 3, 8)))
    )
    return tuple(sorted((*orders, *more)))
