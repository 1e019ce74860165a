"""Reads the world once per tick. A source that fails is an observation too; nothing is decided here."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tminus.domain.launch.command import StartJob
from tminus.domain.launch.job import is_check
from tminus.domain.launch.phase import BEFORE_TRAFFIC, ENDING, PREPARING, TRIAL, Phase
from tminus.domain.launch.reading import FaultReading, JobReading, RouterReading, SlotReading
from tminus.domain.launch.slot import Slot
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.plan import Plan
from tminus.domain.plan.times import SECOND_MS
from tminus.domain.readiness.answers import read_answers
from tminus.domain.readiness.checked import CheckAnswered
from tminus.domain.readiness.signing import SignedText, signed_texts
from tminus.domain.watch.baseline import BASELINE_MS
from tminus.domain.watch.counts import Sample
from tminus.domain.watch.measurement import Measurement, Measurements, read_measurements
from tminus.engine.chronicle import Chronicle
from tminus.engine.decide.launch.work import MEASURE
from tminus.engine.decide.step import Observation
from tminus.engine.hosting import hosting_for
from tminus.engine.ports import Ports
from tminus.ports.fault import PortFault
from tminus.ports.journal import Order

SAMPLE_EVERY_MS = SECOND_MS
"""Counters are read each second: verdicts are drawn over windows of seconds."""

SLOTS_EVERY_MS = SECOND_MS
"""In a trial slots are probed each second: who is up the router tells at every look, and only a crash loop is
told by them. To probe six instances four times a second cost a quarter of all that a driver does."""

MOST_SAMPLES = 3_600
"""An hour of samples in memory; the longest window a verdict may look back over."""


class Observer:
    """Reads the ports for one launch, and keeps the samples that verdicts look back over."""

    def __init__(self, ports: Ports, launch: str) -> None:
        """Starts without samples; those in the ring are fetched at the first look."""
        self._ports = ports
        self._launch = launch
        self._samples: deque[Sample] = deque(maxlen=MOST_SAMPLES)
        self._sampled_ms: int | None = None
        self._kept_slots: tuple[int, Mapping[Slot, SlotReading]] | None = None
        self._replayed = 0
        self._replayed_base: int | None = None
        self._replayed_ms = 0
        self._chronicle = Chronicle(ports, launch)

    @property
    def samples(self) -> Sequence[Sample]:
        """Samples kept, oldest first."""
        return tuple(self._samples)

    def observe(
        self, state: LaunchState, now_ms: int, orders: Sequence[Order], *, journal_open: bool
    ) -> Observation:
        """The world now, as far as a launch in `state` needs it."""
        router = self._router()
        self._sample(state, now_ms)
        jobs = self._jobs(state)
        measured = measurements(state, jobs or {})
        return Observation(
            now_ms=now_ms,
            router=router,
            slots=self._slots(state, now_ms),
            jobs=jobs or {},
            jobs_read=jobs is not None,
            orders=tuple(orders),
            hosting=self._hosting_digest(state.plan) if state.phase is Phase.STAGING else None,
            replayed=self._count_replayed(state, now_ms),
            history=self._chronicle.points(state, now_ms, self._samples, measured),
            journal_open=journal_open,
            measurements=measured,
            checked=read_checked(jobs or {}) if state.phase in PREPARING else {},
            signers=self._signers(orders),
        )

    def _signers(self, orders: Sequence[Order]) -> dict[SignedText, str]:
        texts = [text for order in orders for text in signed_texts(order.verb, order.argument)]
        key_of = self._ports.signatures.key_of
        return {each: key_of(each.namespace, each.content, each.signature) for each in texts}

    def _router(self) -> RouterReading | FaultReading:
        try:
            return self._ports.router.read_router()
        except PortFault as fault:
            return FaultReading("router", fault.code, fault.why)

    def _slots(self, state: LaunchState, now_ms: int) -> Mapping[Slot, SlotReading] | FaultReading:
        kept = self._kept_slots
        if state.phase in TRIAL and kept is not None and 0 <= now_ms - kept[0] < SLOTS_EVERY_MS:
            return kept[1]
        self._kept_slots = None
        try:
            slots = self._ports.runtime.read_slots()
        except PortFault as fault:
            return FaultReading("runtime", fault.code, fault.why)
        self._kept_slots = now_ms, slots
        return slots

    def _jobs(self, state: LaunchState) -> dict[str, JobReading] | None:
        started = {
            entry.command.key for entry in state.commands.values() if isinstance(entry.command, StartJob)
        }
        if not started:
            return {}
        names = {job_name(self._launch, key): key for key in sorted(started)}
        try:
            readings = self._ports.jobs.read_jobs(names)
        except PortFault:
            return None
        return {names[name]: replace(found, key=names[name]) for name, found in readings.items()}

    def _hosting_digest(self, plan: Plan) -> str | None:
        try:
            addresses = self._ports.runtime.addresses(plan.run.instances, plan.run.hosts)
        except PortFault:
            return None
        return hosting_for(plan, addresses).digest

    def _sample(self, state: LaunchState, now_ms: int) -> None:
        if not _is_sampled(state, now_ms):
            return
        if self._sampled_ms is None:
            self._samples.extend(self._ports.ring.samples(self._launch, now_ms - _look_back_ms(state)))
        elif now_ms - self._sampled_ms < SAMPLE_EVERY_MS:
            return
        self._sampled_ms = now_ms
        try:
            sample = self._ports.router.read_counters(now_ms)
        except PortFault:
            return  # the newest sample grows old, and old samples are no evidence
        self._samples.append(sample)
        try:
            self._ports.ring.add_sample(self._launch, sample)
        except PortFault:
            return  # the ring may be lost; what is in memory is what is judged

    def _count_replayed(self, state: LaunchState, now_ms: int) -> int:
        if state.phase in BEFORE_TRAFFIC - {Phase.STAGING} or state.loss is not None:
            return 0
        if state.phase not in TRIAL | ENDING | {Phase.STAGING, Phase.WATCHING}:
            return 0
        if state.phase in TRIAL and 0 <= now_ms - self._replayed_ms < SAMPLE_EVERY_MS:
            return self._replayed
        self._replayed_ms = now_ms
        try:
            now = self._ports.router.read_replayed()
        except PortFault:
            return self._replayed
        if self._replayed_base is None or now < self._replayed_base:
            self._replayed_base = now if self._replayed_base is None else 0
        self._replayed = now - self._replayed_base
        return self._replayed


def measurements(state: LaunchState, jobs: Mapping[str, JobReading]) -> Measurements:
    """What the sources of metrics told, and what people entered.

    Args:
        state: of the launch.
        jobs: readings of its jobs by key; only that of `MEASURE` matters.
    """
    job = jobs.get(MEASURE)
    asked = read_measurements(job.progress if job is not None else None)
    entered: dict[str, list[Measurement]] = {}
    for note in state.notes:
        found = Measurement(note.at_ms, value_micro=note.value_micro)
        entered.setdefault(note.metric, []).append(found)
    return {**asked, **entered}


def read_checked(jobs: Mapping[str, JobReading]) -> Mapping[str, CheckAnswered]:
    """The newest answer to each check, of the jobs that asked and ask."""
    found: dict[str, CheckAnswered] = {}
    for key, job in jobs.items():
        told = read_answers(job.progress if job.progress is not None else job.result) if is_check(key) else {}
        for item, answer in told.items():
            if item not in found or answer.asked_ms > found[item].asked_ms:
                found[item] = answer
    return found


def _is_sampled(state: LaunchState, now_ms: int) -> bool:
    """While the candidate has traffic, and before it for as long as stable's baseline reaches."""
    if state.phase in TRIAL or state.phase is Phase.WATCHING:
        return True
    if state.phase not in BEFORE_TRAFFIC or state.stable is None or not state.plan.weighs:
        return False
    return state.t0_ms is None or now_ms >= state.t0_ms - BASELINE_MS


def _look_back_ms(state: LaunchState) -> int:
    """How far back judgements look, and a little more, so that a sample lies before the window's start."""
    window_ms = state.plan.longest_look_back_ms
    if state.phase in BEFORE_TRAFFIC:
        window_ms = max(window_ms, BASELINE_MS)
    return window_ms + 2 * SAMPLE_EVERY_MS


def job_name(launch: str, key: str) -> str:
    """The name a launch's job is known by for ever, also to a later driver."""
    return f"{launch}/{key}"
