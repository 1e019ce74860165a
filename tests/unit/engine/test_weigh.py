"""A driver's evidence over its death: put aside, taken up again, nothing counted twice or lost."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from tests.unit.engine.launches import NOW_MS, launch
from tests.unit.judging.trials import ERRORS, GENERATION, SLOW, Second, fixed, plan_of, trial, weighed
from tminus.domain.launch.phase import Phase
from tminus.domain.plan.judging import Judging
from tminus.domain.watch.counts import Sample
from tminus.domain.watch.weighing import Weighing
from tminus.engine.ports import Ports
from tminus.engine.weigh import DUMP_EVERY_MS, Weigher
from tminus.ports.fault import Unavailable
from tminus.ports.journal import KeptEvidence

pytestmark = pytest.mark.req("R9")

PLAN = plan_of(weighed(ERRORS), weighed(SLOW), judging=Judging(burn_in_ms=1_000))
STATE = launch(
    Phase.CUTOVER, plan=PLAN, terms=fixed(PLAN), generation=GENERATION, cutover_ms=NOW_MS, step_ms=NOW_MS
)
SAMPLES = trial([Second((100, index % 3, index % 5), (100, index % 2, 0)) for index in range(90)])


@dataclass
class Kept:
    """The ring and the shelf as they are after a crash: what was written before it."""

    ring: list[Sample] = field(default_factory=list)
    shelf: KeptEvidence | None = None
    fails: bool = False

    def samples(self, launch: str, since_ms: int) -> Sequence[Sample]:
        return [sample for sample in self.ring if sample.at_ms >= since_ms]

    def keep_evidence(self, kept: KeptEvidence) -> None:
        if self.fails:
            raise Unavailable("journal-full", "no space")
        self.shelf = kept

    def evidence(self, launch: str) -> KeptEvidence | None:
        return self.shelf


@dataclass(frozen=True)
class _Ports:
    ring: Kept
    evidence: Kept


def weigher(kept: Kept) -> Weigher:
    return Weigher(cast("Ports", cast("Any", _Ports(kept, kept))), "shop-1")


def driven(kept: Kept, samples: Sequence[Sample]) -> Weighing:
    """What a driver holds that lived through these samples; the ring has each before it is weighed."""
    mine, held, memory = weigher(kept), None, []
    for sample in samples:
        memory.append(sample)
        kept.ring.append(sample)
        held = mine.weigh(STATE, memory, {}, sample.at_ms)
    assert held is not None
    return held


WHOLE = driven(Kept(), SAMPLES)


@pytest.mark.parametrize("died_after", [1, 5, 11, 12, 40, 89])
def test_a_driver_that_takes_over_holds_what_the_dead_one_would(died_after: int) -> None:
    kept = Kept()
    driven(kept, SAMPLES[:died_after])
    taken_over = driven(kept, SAMPLES[died_after:])
    assert taken_over.dump() == WHOLE.dump()


def test_a_sample_that_was_kept_and_not_weighed_is_weighed_by_the_next() -> None:
    kept = Kept()
    driven(kept, SAMPLES[:40])
    kept.ring.append(SAMPLES[40])
    assert driven(kept, SAMPLES[41:]).dump() == WHOLE.dump()


def test_without_a_shelf_the_ring_tells_all() -> None:
    kept = Kept()
    driven(kept, SAMPLES[:40])
    kept.shelf = None
    assert driven(kept, SAMPLES[40:]).dump() == WHOLE.dump()


def test_without_shelf_and_ring_the_counters_still_hold_every_request() -> None:
    found = driven(Kept(), SAMPLES[60:])
    assert (found.figures[0].bad, found.figures[0].total) == (
        WHOLE.figures[0].bad,
        WHOLE.figures[0].total,
    )


def test_evidence_that_cannot_be_put_aside_is_weighed_all_the_same() -> None:
    kept = Kept(fails=True)
    found = driven(kept, SAMPLES)
    assert replace(found, sealed=None) == replace(WHOLE, sealed=None)
    assert found.sealed is None


def test_it_is_put_aside_every_ten_seconds_and_with_each_step() -> None:
    kept = Kept()
    mine = weigher(kept)
    mine.weigh(STATE, SAMPLES[:1], {}, NOW_MS + 1_000)
    first = kept.shelf
    mine.weigh(STATE, SAMPLES[:5], {}, NOW_MS + 1_000 + DUMP_EVERY_MS - 1)
    assert kept.shelf is first
    stepped = replace(STATE, step=1, step_ms=NOW_MS + 11_000)
    mine.weigh(stepped, SAMPLES[:6], {}, NOW_MS + 1_000 + DUMP_EVERY_MS - 1)
    second = kept.shelf
    assert second is not first
    mine.weigh(stepped, SAMPLES[:30], {}, NOW_MS + 31_000)
    assert kept.shelf is not second


def test_what_was_put_aside_is_sealed_by_its_digest() -> None:
    kept = Kept()
    found = driven(kept, SAMPLES)
    assert found.sealed is not None
    assert kept.shelf is not None
    assert found.sealed.sampled_ms == kept.shelf.sampled_ms
    assert [figure.metric for figure in found.sealed.weighed] == [
        metric.name for metric in found.terms.rules.metrics
    ]


def test_a_shelf_of_other_terms_is_left_and_the_trial_weighed_anew() -> None:
    kept = Kept()
    driven(kept, SAMPLES[:40])
    assert kept.shelf is not None
    kept.shelf = replace(kept.shelf, text="{}")
    assert driven(kept, SAMPLES[40:]).dump() == WHOLE.dump()


@pytest.mark.parametrize("phase", [Phase.COUNTDOWN, Phase.STAGING, Phase.ROLLING_BACK])
def test_outside_of_trial_and_watch_nothing_is_weighed(phase: Phase) -> None:
    assert weigher(Kept()).weigh(replace(STATE, phase=phase), SAMPLES, {}, NOW_MS) is None


def test_a_launch_without_terms_weighs_nothing() -> None:
    assert weigher(Kept()).weigh(replace(STATE, terms=None), SAMPLES, {}, NOW_MS) is None


def test_without_samples_the_judge_still_looks() -> None:
    mine = weigher(Kept())
    mine.weigh(STATE, SAMPLES[:30], {}, NOW_MS + 30_000)
    found = mine.weigh(STATE, SAMPLES[:30], {}, NOW_MS + 90_000)
    assert found is not None
    assert found.judgement is not None
    assert found.judgement.state == "stale"
    assert not found.judgement.passed


def test_in_the_watch_evidence_begins_anew_over_a_restart_too() -> None:
    promoted = replace(STATE, phase=Phase.WATCHING, promoted=True, entered_ms=NOW_MS + 40_500, step=2)
    kept = Kept()
    driven(kept, SAMPLES[:40])
    kept.ring += SAMPLES[40:60]
    found = weigher(kept).weigh(promoted, SAMPLES[40:60], {}, NOW_MS + 60_000)
    assert found is not None
    assert found.promoted
    assert found.figures[0].total == 2_000
