"""What every implementation of `ports.runtime.Runtime` must do, wherever its instances run."""

import abc
from collections.abc import Callable
from dataclasses import replace

import pytest

from tminus.domain.launch.reading import SlotReading
from tminus.domain.launch.slot import Slot
from tminus.ports.fault import Refused
from tminus.ports.runtime import Adoption, Runtime, SlotSpec

INSTANCES = 2
MAILERS = 2


class RuntimeHarness(abc.ABC):
    """What the suite needs beside the port."""

    @abc.abstractmethod
    def runtime(self) -> Runtime:
        """The runtime, as a controller that has just been started sees it."""

    @abc.abstractmethod
    def spec(self, version: int) -> SlotSpec:
        """`INSTANCES` instances of version 1 or 2, which become healthy."""

    @abc.abstractmethod
    def spec_of_nothing(self) -> SlotSpec:
        """A specification whose artifact does not exist."""

    @abc.abstractmethod
    def kill_instance(self, slot: Slot) -> None:
        """The first instance of the slot dies at once."""

    @abc.abstractmethod
    def processes(self, slot: Slot) -> int:
        """How many processes of the slot's own instances run; what they started counts."""

    @abc.abstractmethod
    def settle(self, condition: Callable[[], bool]) -> None:
        """Lets time pass until the condition holds; fails after a while."""


class WorkersHarness(abc.ABC):
    """What the suite of workers needs beside the port."""

    @abc.abstractmethod
    def runtime(self) -> Runtime:
        """The runtime, as a controller that has just been started sees it."""

    @abc.abstractmethod
    def spec_with_workers(self) -> SlotSpec:
        """Healthy instances, `MAILERS` of worker `mail` and one of `tidy`, which takes a moment to end."""

    @abc.abstractmethod
    def kill_worker(self, slot: Slot) -> None:
        """The first worker `mail` of the slot dies at once."""

    @abc.abstractmethod
    def settle(self, condition: Callable[[], bool]) -> None:
        """Lets time pass until the condition holds; fails after a while."""


class AdoptingHarness(RuntimeHarness):
    """For runtimes that take in instances of others."""

    @abc.abstractmethod
    def adoption(self) -> Adoption:
        """The same runtime."""

    @abc.abstractmethod
    def strangers(self) -> tuple[str, ...]:
        """Addresses of healthy instances that somebody else runs."""

    @abc.abstractmethod
    def strangers_running(self) -> int:
        """How many of them run now."""


class RuntimeContract:
    """The suite. Subclass it and override the fixture `harness`."""

    @pytest.fixture
    def harness(self) -> RuntimeHarness:
        """What to run the suite on."""
        raise NotImplementedError

    def test_both_slots_are_down_at_first(self, harness: RuntimeHarness) -> None:
        """Nothing is not an error."""
        assert {
            slot: reading.down for slot, reading in harness.runtime().read_slots().items()
        } == dict.fromkeys(Slot, True)

    def test_a_started_slot_comes_up_with_what_was_asked(self, harness: RuntimeHarness) -> None:
        """And the other slot stays as it was."""
        harness.runtime().start_slot(Slot.BLUE, harness.spec(1))
        harness.settle(lambda: _read(harness, Slot.BLUE).up)
        reading = _read(harness, Slot.BLUE)
        assert (reading.digest, reading.expected, reading.healthy, reading.external) == (
            harness.spec(1).digest,
            INSTANCES,
            INSTANCES,
            False,
        )
        assert len({instance.address for instance in reading.instances}) == INSTANCES
        assert _read(harness, Slot.GREEN).down

    def test_starting_the_same_again_does_nothing(self, harness: RuntimeHarness) -> None:
        """Idempotent: no instance is started anew."""
        harness.runtime().start_slot(Slot.BLUE, harness.spec(1))
        harness.settle(lambda: _read(harness, Slot.BLUE).up)
        before = _read(harness, Slot.BLUE)
        harness.runtime().start_slot(Slot.BLUE, harness.spec(1))
        assert _read(harness, Slot.BLUE) == before

    def test_an_occupied_slot_is_refused(self, harness: RuntimeHarness) -> None:
        """What runs goes on."""
        harness.runtime().start_slot(Slot.BLUE, harness.spec(1))
        harness.settle(lambda: _read(harness, Slot.BLUE).up)
        with pytest.raises(Refused) as refusal:
            harness.runtime().start_slot(Slot.BLUE, harness.spec(2))
        assert refusal.value.code == "slot-occupied"
        assert _read(harness, Slot.BLUE).up
        assert _read(harness, Slot.BLUE).digest == harness.spec(1).digest

    def test_a_missing_artifact_is_refused_without_effect(self, harness: RuntimeHarness) -> None:
        """The slot stays down."""
        with pytest.raises(Refused) as refusal:
            harness.runtime().start_slot(Slot.BLUE, harness.spec_of_nothing())
        assert refusal.value.code == "artifact-missing"
        assert _read(harness, Slot.BLUE).down

    def test_a_stopped_slot_leaves_no_process(self, harness: RuntimeHarness) -> None:
        """Whole groups end; stopping it again does nothing; then it holds another version."""
        harness.runtime().start_slot(Slot.GREEN, harness.spec(1))
        harness.settle(lambda: _read(harness, Slot.GREEN).up)
        harness.runtime().stop_slot(Slot.GREEN)
        harness.runtime().stop_slot(Slot.GREEN)
        harness.settle(lambda: _read(harness, Slot.GREEN).down)
        assert harness.processes(Slot.GREEN) == 0
        assert _read(harness, Slot.GREEN).digest is None
        harness.runtime().start_slot(Slot.GREEN, harness.spec(2))
        harness.settle(lambda: _read(harness, Slot.GREEN).up)

    def test_a_dead_instance_is_started_again_and_counted(self, harness: RuntimeHarness) -> None:
        """At the same address."""
        harness.runtime().start_slot(Slot.BLUE, harness.spec(1))
        harness.settle(lambda: _read(harness, Slot.BLUE).up)
        before = _read(harness, Slot.BLUE)
        harness.kill_instance(Slot.BLUE)
        harness.settle(lambda: _read(harness, Slot.BLUE).restarts == 1 and _read(harness, Slot.BLUE).up)
        after = _read(harness, Slot.BLUE)
        assert [instance.address for instance in after.instances] == [i.address for i in before.instances]

    def test_a_controller_started_later_reads_the_same(self, harness: RuntimeHarness) -> None:
        """Nothing is kept in a controller's memory."""
        first = harness.runtime()
        first.start_slot(Slot.BLUE, harness.spec(1))
        harness.settle(lambda: first.read_slots()[Slot.BLUE].up)
        assert harness.runtime().read_slots() == first.read_slots()


class WorkersContract:
    """Background workers of a slot. Subclass it and override the fixture `working`."""

    @pytest.fixture
    def working(self) -> WorkersHarness:
        """What to run the suite on."""
        raise NotImplementedError

    def test_workers_run_beside_the_instances_and_are_not_counted(self, working: WorkersHarness) -> None:
        """Neither among the expected nor among the healthy; starting again does nothing."""
        spec = working.spec_with_workers()
        working.runtime().start_slot(Slot.GREEN, spec)
        working.settle(lambda: _read(working, Slot.GREEN).up)
        reading = _read(working, Slot.GREEN)
        assert (reading.expected, reading.healthy, len(reading.instances)) == (spec.instances,) * 3
        assert [(worker.name, worker.alive) for worker in reading.workers] == [
            ("green-worker-mail-1", True),
            ("green-worker-mail-2", True),
            ("green-worker-tidy-1", True),
        ]
        working.runtime().start_slot(Slot.GREEN, spec)
        assert _read(working, Slot.GREEN) == reading
        assert _read(working, Slot.BLUE).workers == ()

    def test_a_dead_worker_is_started_again_and_counts_among_the_restarts(
        self, working: WorkersHarness
    ) -> None:
        """So a candidate whose worker keeps dying is seen to keep dying."""
        working.runtime().start_slot(Slot.GREEN, working.spec_with_workers())
        working.settle(lambda: _read(working, Slot.GREEN).up)
        working.kill_worker(Slot.GREEN)
        working.settle(
            lambda: _read(working, Slot.GREEN).restarts == 1 and _read(working, Slot.GREEN).workers[0].alive
        )
        reading = _read(working, Slot.GREEN)
        assert [worker.restarts for worker in reading.workers] == [1, 0, 0]
        assert reading.up

    def test_a_slot_is_down_only_when_its_workers_are_gone(self, working: WorkersHarness) -> None:
        """At no moment before."""
        working.runtime().start_slot(Slot.GREEN, working.spec_with_workers())
        working.settle(lambda: _read(working, Slot.GREEN).up)
        working.runtime().stop_slot(Slot.GREEN)
        seen = []

        def down() -> bool:
            seen.append(_read(working, Slot.GREEN))
            return seen[-1].down

        working.settle(down)
        assert not any(worker.alive for worker in seen[-1].workers)
        assert not any(reading.down for reading in seen if any(w.alive for w in reading.workers))


class AdoptionContract:
    """For runtimes that implement `Adoption`. Subclass it and override the fixture `adopting`."""

    @pytest.fixture
    def adopting(self) -> AdoptingHarness:
        """What to run the suite on."""
        raise NotImplementedError

    def test_adopted_instances_are_read_and_never_stopped(self, adopting: AdoptingHarness) -> None:
        """Stopping an external slot forgets it."""
        strangers = adopting.strangers()
        adopting.adoption().adopt_slot(Slot.BLUE, strangers, "sha256:theirs", "/healthz")
        adopting.adoption().adopt_slot(Slot.BLUE, strangers, "sha256:theirs", "/healthz")
        reading = _read(adopting, Slot.BLUE)
        assert (reading.external, reading.up, reading.digest) == (True, True, "sha256:theirs")
        assert tuple(instance.address for instance in reading.instances) == strangers
        adopting.runtime().stop_slot(Slot.BLUE)
        assert _read(adopting, Slot.BLUE).down
        assert adopting.strangers_running() == len(strangers)

    def test_an_external_slot_is_occupied(self, adopting: AdoptingHarness) -> None:
        """Our own are started elsewhere."""
        adopting.adoption().adopt_slot(Slot.BLUE, adopting.strangers(), "sha256:theirs", "/healthz")
        with pytest.raises(Refused) as refusal:
            adopting.runtime().start_slot(
                Slot.BLUE, replace(adopting.spec(1), digest=adopting.spec(1).digest)
            )
        assert refusal.value.code == "slot-occupied"

    def test_a_slot_with_own_instances_adopts_none(self, adopting: AdoptingHarness) -> None:
        """Nobody's processes are forgotten."""
        adopting.runtime().start_slot(Slot.BLUE, adopting.spec(1))
        with pytest.raises(Refused) as refusal:
            adopting.adoption().adopt_slot(Slot.BLUE, adopting.strangers(), "sha256:theirs", "/healthz")
        assert refusal.value.code == "slot-occupied"
        assert _read(adopting, Slot.BLUE).digest == adopting.spec(1).digest


def _read(harness: RuntimeHarness | WorkersHarness, slot: Slot) -> SlotReading:
    return harness.runtime().read_slots()[slot]
