"""The table of stories: what happens in which phase, and how the launch must end then."""

from collections.abc import Iterator, Mapping
from typing import Any

from tminus.domain.launch.phase import Phase
from tminus.testing.stories import deeds
from tminus.testing.stories.shop import BAD, BROKEN, FAILING, SLOW, WAITING
from tminus.testing.stories.stage import METERED
from tminus.testing.stories.story import Story, nothing_more

PROMOTED, ROLLED_BACK, SCRUBBED = "promoted", "rolled-back", "scrubbed"

TAKEN_BACK: Mapping[Phase, str] = {
    Phase.COUNTDOWN: SCRUBBED,
    Phase.STAGING: SCRUBBED,
    Phase.CUTOVER: ROLLED_BACK,
    Phase.VERIFYING: ROLLED_BACK,
    Phase.BAKING: ROLLED_BACK,
    Phase.WATCHING: ROLLED_BACK,
}
"""What becomes of a launch that is taken back in the phase; in the watch stable comes back cold."""

LONG: Mapping[Phase, Mapping[str, Any]] = {
    Phase.CUTOVER: {"shift": {"each": "60s", "deadline": "3m"}},
    Phase.VERIFYING: {"verify": {"for": "90s"}},
    Phase.BAKING: {"bake": {"for": "90s"}},
    Phase.WATCHING: {"watch": {"for": "3m"}},
}
"""Makes the phase long enough for whatever happens in it; what happens ends it."""

OWN_WATCH = {"watch": {"for": "25s", "reading": "5s"}}
"""Long enough for somebody to be there once stable is retired, also on a busy machine; and then it ends."""

OFTEN_ROLLBACK = frozenset({Phase.CUTOVER, Phase.WATCHING})
OFTEN_ABORT = frozenset({Phase.STAGING})
OFTEN_STOP = frozenset({Phase.CUTOVER})
OFTEN_KILL = frozenset({Phase.BAKING})


def stories() -> tuple[Story, ...]:
    """Every story, in the order of a launch's life; names are unique."""
    found = (*_releases(), *_backups(), *_migrations(), *_orders(), *_outages(), *_deaths())
    assert len({story.name for story in found}) == len(found)
    return found


def _releases() -> Iterator[Story]:
    warm = {"warm": {"paths": ["/"], "deadline": "60s"}}
    yield Story("good", PROMOTED, plan={**METERED, **warm}, look=deeds.lost_nothing, often=True)
    yield Story(
        "bad",
        ROLLED_BACK,
        "declined payments",
        BAD,
        {"bake": {"for": "90s"}, **METERED},
        look=deeds.acted_by_itself,
        fails=True,
        often=True,
    )


def _backups() -> Iterator[Story]:
    yield Story(
        "backup-disk-full",
        SCRUBBED,
        "disk-full",
        before=deeds.tiny_disk,
        look=deeds.before_cutover,
        needs_mount=True,
        often=True,
    )
    yield Story(
        "restore-test-finds-a-difference",
        SCRUBBED,
        "the backup could not be restored as it was: table public.payments",
        deed=deeds.counts_differ,
        look=deeds.before_cutover,
        often=True,
    )


def _migrations() -> Iterator[Story]:
    yield Story(
        "expand-fails-half-way",
        SCRUBBED,
        "the expand migration failed",
        FAILING,
        look=deeds.half_is_there,
        often=True,
    )
    yield Story(
        "expand-waits-for-a-lock",
        SCRUBBED,
        "lock timeout",
        before=deeds.report_left_open,
        look=deeds.before_cutover,
        often=True,
    )
    yield Story("expand-waits-for-itself", SCRUBBED, "lock timeout", WAITING, look=deeds.before_cutover)
    yield Story(
        "expand-killed-with-its-driver",
        PROMOTED,
        overlay=SLOW,
        deed=deeds.killed_amid_expand,
        look=deeds.expanded_twice,
        often=True,
    )
    yield Story(
        "driver-killed-amid-expand",
        PROMOTED,
        overlay=SLOW,
        deed=deeds.driver_killed_amid_expand,
        look=deeds.expanded_once,
    )
    yield Story(
        "expand-breaks-stable",
        SCRUBBED,
        "the stable version does not work on the expanded schema",
        BROKEN,
        look=deeds.before_cutover,
        fails=True,
        often=True,
    )


def _orders() -> Iterator[Story]:
    for phase, outcome in TAKEN_BACK.items():
        plan = {**LONG.get(phase, {}), **(METERED if phase is Phase.WATCHING else {})}
        look = deeds.came_back_cold if phase is Phase.WATCHING else nothing_more
        why = "rollback ordered by ann: the shop says so"
        yield Story(
            f"rollback-in-{phase}",
            outcome,
            why,
            plan=plan,
            deed=deeds.ordered("rollback", phase),
            look=look,
            often=phase in OFTEN_ROLLBACK,
        )
        yield Story(
            f"abort-in-{phase}",
            outcome,
            "abort ordered by ann",
            plan=LONG.get(phase, {}),
            deed=deeds.ordered("abort", phase),
            often=phase in OFTEN_ABORT,
        )
    yield Story(
        "rollback-refused-after-contract",
        PROMOTED,
        plan={"contract": True, **OWN_WATCH},
        deed=deeds.contracted,
        look=deeds.contract_is_done,
        often=True,
    )


def _outages() -> Iterator[Story]:
    for phase, outcome in TAKEN_BACK.items():
        if phase is Phase.WATCHING:
            continue
        yield Story(
            f"database-stops-in-{phase}",
            outcome,
            plan=LONG.get(phase, {}),
            deed=deeds.database_stops(phase),
            fails=True,
            outage=True,
            often=phase in OFTEN_STOP,
        )
    yield Story(
        "database-stops-in-watching",
        PROMOTED,
        plan=OWN_WATCH,
        deed=deeds.database_stops_for_the_watch,
        fails=True,
        outage=True,
    )


def _deaths() -> Iterator[Story]:
    for phase in (Phase.COUNTDOWN, Phase.STAGING, Phase.BAKING, Phase.WATCHING):
        plan = {"bake": {"for": "8s"}, **(OWN_WATCH if phase is Phase.WATCHING else {})}
        yield Story(
            f"driver-killed-in-{phase}",
            PROMOTED,
            plan=plan,
            deed=deeds.agent_killed(phase),
            often=phase in OFTEN_KILL,
        )
