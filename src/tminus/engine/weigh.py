"""Keeps the evidence of one launch: fed from samples, put aside, and taken up again after a restart."""

from collections.abc import Sequence

from tminus.domain.launch.phase import TRIAL, Phase
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.plan import FULL_BP
from tminus.domain.plan.times import SECOND_MS
from tminus.domain.watch.counts import Sample
from tminus.domain.watch.evidence.dumped import DumpError
from tminus.domain.watch.measurement import Measurements
from tminus.domain.watch.terms import Terms, after_promotion, terms_of
from tminus.domain.watch.weighing import RETICK_MS, Traffic, Weighing
from tminus.engine.decide.evidence import arms_of
from tminus.engine.decide.launch.progress import baked_by_ms, stepped_by_ms, verified_by_ms
from tminus.engine.ports import Ports
from tminus.ports.fault import PortFault
from tminus.ports.journal import KeptEvidence

DUMP_EVERY_MS = 10 * SECOND_MS
"""A later driver reads so much of the ring again at most."""


class Weigher:
    """The evidence of one launch, as a driver holds it. Not shared between threads."""

    def __init__(self, ports: Ports, launch: str) -> None:
        """Neither reads nor weighs anything yet."""
        self._ports = ports
        self._launch = launch
        self._weighing: Weighing | None = None
        self._dumped_ms = 0
        self._dumped_step_ms = 0

    def weigh(
        self, state: LaunchState, samples: Sequence[Sample], found: Measurements, now_ms: int
    ) -> Weighing | None:
        """The evidence with these samples; each counts once, whoever was given it first.

        None where nothing is weighed: without terms, and outside of a trial and the watch.

        Args:
            state: of the launch.
            samples: oldest first; those that were given before may be among them.
            found: measurements of the plan's metrics, likewise.
            now_ms: milliseconds since the epoch.
        """
        weighing = self.read(state, samples, found, now_ms)
        if weighing is not None:
            self._weighing = self._put_aside(state, weighing, now_ms)
        return self._weighing

    def read(
        self, state: LaunchState, samples: Sequence[Sample], found: Measurements, now_ms: int
    ) -> Weighing | None:
        """The same for whoever only looks: nothing is put aside."""
        if state.terms is None or (state.phase not in TRIAL and state.phase is not Phase.WATCHING):
            return None
        weighing = self._weighing
        if weighing is None:
            weighing = self._resume(state)
        weighing = weighing.measure(found, state.entered_ms if state.cutover_ms is None else state.cutover_ms)
        for sample in _newer(samples, weighing.sampled_ms):
            weighing = _given(weighing, state, sample)
        if now_ms - weighing.ticked_ms >= RETICK_MS:
            weighing = weighing.look(now_ms, traffic(state, now_ms))
        self._weighing = weighing
        return weighing

    def _resume(self, state: LaunchState) -> Weighing:
        """The evidence as the last driver left it, with the ring's samples since."""
        assert state.terms is not None
        terms, arms = terms_of(state.terms, arms_of(state)), arms_of(state)
        weighing = self._kept(state, terms) or Weighing.begin(terms, arms)
        since_ms = weighing.sampled_ms if weighing.sampled_ms >= 0 else (state.cutover_ms or state.entered_ms)
        try:
            missed = self._ports.ring.samples(self._launch, since_ms)
        except PortFault:
            return weighing  # counts are running totals: the next sample holds what these did
        for sample in _newer(missed, weighing.sampled_ms):
            weighing = _given(weighing, state, sample)
        return weighing

    def _kept(self, state: LaunchState, terms: Terms) -> Weighing | None:
        try:
            kept = self._ports.evidence.evidence(self._launch)
        except PortFault:
            return None
        if kept is None:
            return None
        watch_terms = after_promotion(terms, state.plan.watch.for_ms)
        try:
            return Weighing.load(terms, watch_terms, arms_of(state), kept.text)
        except DumpError:
            return None  # of an older release: what the counters hold of the trial is weighed anew

    def _put_aside(self, state: LaunchState, weighing: Weighing, now_ms: int) -> Weighing:
        # With another share of the traffic what is given again would be weighed differently.
        stepped = state.confirmed and state.step_ms != self._dumped_step_ms
        if now_ms - self._dumped_ms < DUMP_EVERY_MS and not stepped:
            return weighing
        self._dumped_ms, self._dumped_step_ms = now_ms, state.step_ms
        text = weighing.dump()
        try:
            self._ports.evidence.keep_evidence(KeptEvidence(self._launch, weighing.sampled_ms, text))
        except PortFault:
            return weighing  # the ring may hold what came since the last one; what is in memory is judged
        return weighing.seal(text)


def traffic(state: LaunchState, now_ms: int) -> Traffic:
    """What the judge needs to know of the router."""
    if state.promoted:
        return Traffic(state.generation, FULL_BP, state.entered_ms)
    share_bp = state.share_bp if state.confirmed or state.tried else 0
    return Traffic(state.generation, share_bp, state.step_ms if state.confirmed else -1, _left(state, now_ms))


def _left(state: LaunchState, now_ms: int) -> int | None:
    """Time until the phase needs its pass."""
    ends = {Phase.CUTOVER: stepped_by_ms, Phase.VERIFYING: verified_by_ms, Phase.BAKING: baked_by_ms}
    end = ends.get(state.phase)
    return None if end is None else max(0, end(state) - now_ms)


def _newer(samples: Sequence[Sample], than_ms: int) -> Sequence[Sample]:
    first = len(samples)
    while first and samples[first - 1].at_ms > than_ms:
        first -= 1
    return samples[first:]


def _given(weighing: Weighing, state: LaunchState, sample: Sample) -> Weighing:
    if state.promoted and not weighing.promoted and sample.at_ms > state.entered_ms:
        weighing = weighing.promote(after_promotion(weighing.terms, state.plan.watch.for_ms))
    return weighing.give(sample, traffic(state, sample.at_ms))
