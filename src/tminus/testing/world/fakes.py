"""Ports in memory over the physics: they behave as the real adapters do when nothing goes wrong."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tminus.domain.canonical import Json
from tminus.domain.launch.reading import (
    InstanceReading,
    JobPhase,
    JobReading,
    RouterReading,
    SlotReading,
)
from tminus.domain.launch.route import Route
from tminus.domain.launch.slot import Slot
from tminus.domain.plan.secret import SecretRef
from tminus.domain.watch.counts import Sample
from tminus.ports.fault import Refused, Unavailable
from tminus.ports.jobs import JobSpec
from tminus.ports.router import Hosting
from tminus.ports.runtime import SlotSpec
from tminus.testing.world.physics import INSTANCES, Instance, Physics, RouterMemory

NEVER_MS = 1 << 60


class FakeRuntime:
    """Runtime and Addressing over the physics.

    Args:
        physics: the world.
        boot_ms: per digest, how long its instances take to become healthy.
    """

    def __init__(self, physics: Physics, boot_ms: Callable[[str], int]) -> None:
        """See the class."""
        self._physics = physics
        self._boot_ms = boot_ms

    def start_slot(self, slot: Slot, spec: SlotSpec) -> None:
        """See `Runtime`."""
        place = self._physics.places[slot]
        if place.digest == spec.digest and place.instances:
            return
        if place.instances:
            raise Refused("slot-occupied", f"{slot.value} runs {place.digest}")
        place.digest = spec.digest
        ready_ms = self._physics.now_ms + self._boot_ms(spec.digest)
        place.instances = [Instance(ready_ms) for _ in range(spec.instances)]

    def stop_slot(self, slot: Slot) -> None:
        """See `Runtime`."""
        place = self._physics.places[slot]
        if place.instances:
            place.stopped += 1
        place.digest, place.instances = None, []

    def read_slots(self) -> Mapping[Slot, SlotReading]:
        """See `Runtime`."""
        return {slot: self._read(slot) for slot in Slot}

    def addresses(self, instances: int) -> Mapping[Slot, tuple[str, ...]]:
        """See `Addressing`."""
        return {
            slot: tuple(f"127.0.0.1:{base + index}" for index in range(instances))
            for slot, base in zip(Slot, (9_100, 9_200), strict=True)
        }

    def adopt_slot(self, slot: Slot, addresses: Sequence[str], digest: str, health_path: str) -> None:
        """See `Adoption`."""
        del health_path
        place = self._physics.places[slot]
        if place.instances and place.digest != digest:
            raise Refused("slot-occupied", f"{slot.value} runs {place.digest}")
        place.digest = digest
        place.instances = [Instance(self._physics.now_ms) for _ in addresses]

    def _read(self, slot: Slot) -> SlotReading:
        place, now_ms = self._physics.places[slot], self._physics.now_ms
        addresses = self.addresses(max(len(place.instances), INSTANCES))[slot]
        instances = tuple(
            InstanceReading(
                name=f"{slot.value}-{index + 1}",
                address=addresses[index],
                alive=True,
                healthy=instance.healthy_ms <= now_ms,
                restarts=instance.restarts,
            )
            for index, instance in enumerate(place.instances)
        )
        return SlotReading(slot, place.digest, len(place.instances), instances)


class FakeRouter:
    """Every router port over the physics, fenced like the real one."""

    def __init__(self, physics: Physics) -> None:
        """See the class."""
        self._physics = physics

    def write_route(self, route: Route) -> None:
        """See `Routing`."""
        self._running()
        self._fence(route)
        self._physics.write(route)

    def commit_route(self, route: Route) -> None:
        """See `Routing`."""
        self._running()
        self._fence(route)
        self._physics.committed = route
        self._physics.write(route)

    def read_router(self) -> RouterReading:
        """See `Routing`."""
        memory = self._running()
        physics = self._physics
        return RouterReading(
            route=memory.route,
            committed=physics.committed,
            distrust=physics.distrust(),
            up={slot: physics.up(slot) for slot in Slot},
            in_flight={slot: physics.places[slot].in_flight for slot in Slot},
            admitted=frozenset(physics.admitted),
            hosting=physics.hosting,
        )

    def renew_lease(self, route: Route) -> None:
        """See `Leasing`."""
        self._running()
        self._physics.renew(route)

    def admit_slot(self, slot: Slot) -> None:
        """See `Draining`."""
        self._running()
        self._physics.admitted.add(slot)

    def expel_slot(self, slot: Slot) -> None:
        """See `Draining`."""
        self._running()
        self._physics.admitted.discard(slot)

    def cut_slot(self, slot: Slot) -> int:
        """See `Draining`."""
        self._running()
        place = self._physics.places[slot]
        cut, place.in_flight = place.in_flight, 0
        place.left_ms = -1_000_000
        return cut

    def read_counters(self, at_ms: int) -> Sample:
        """See `Counters`."""
        self._running()
        return Sample(at_ms, self._physics.sample_classes())

    def read_replayed(self) -> int:
        """See `Counters`."""
        self._running()
        return 0

    def host(self, hosting: Hosting) -> None:
        """See `RouterHosting`."""
        if self._physics.memory is None:
            self._physics.start_router()
        self._physics.hosting = hosting.digest

    def unhost(self) -> None:
        """See `RouterHosting`."""
        self._physics.memory = None
        self._physics.hosting = ""

    def _running(self) -> RouterMemory:
        memory = self._physics.memory
        if memory is None:
            raise Unavailable("router-down", "the router does not answer")
        return memory

    def _fence(self, route: Route) -> None:
        if route.epoch < self._physics.fence:
            raise Refused("stale-epoch", f"epoch {self._physics.fence} has written the route")


@dataclass(slots=True)
class _Job:
    spec: JobSpec
    ends_ms: int
    stopped: bool = False
    lost: bool = False


class FakeJobs:
    """Jobs that take a little virtual time and then answer as the scenario says.

    Args:
        now_ms: the world's clock.
        answer: result of a job by its kind of work and arguments.
    """

    def __init__(self, now_ms: Callable[[], int], answer: Callable[[str, Json], Json]) -> None:
        """See the class."""
        self._now_ms = now_ms
        self._answer = answer
        self._jobs: dict[str, _Job] = {}

    def start_job(self, spec: JobSpec) -> None:
        """See `Jobs`."""
        before = self._jobs.get(spec.key)
        if before is not None and not before.lost:
            return
        length_ms = NEVER_MS if spec.work == "meter" else 700
        self._jobs[spec.key] = _Job(spec, self._now_ms() + length_ms)

    def read_jobs(self, keys: Iterable[str]) -> Mapping[str, JobReading]:
        """See `Jobs`."""
        return {key: self._read(key, self._jobs[key]) for key in keys if key in self._jobs}

    def stop_job(self, key: str) -> None:
        """See `Jobs`."""
        if key in self._jobs:
            self._jobs[key].stopped = True

    def lose(self) -> None:
        """Every running job disappears without an outcome, as when the machine restarts."""
        for job in self._jobs.values():
            if not job.stopped and job.ends_ms > self._now_ms():
                job.lost = True

    @property
    def running(self) -> list[str]:
        """Keys of jobs that run now."""
        return [key for key, job in self._jobs.items() if self._read(key, job).phase is JobPhase.RUNNING]

    def _read(self, key: str, job: _Job) -> JobReading:
        if job.lost:
            return JobReading(key, JobPhase.LOST)
        if not job.stopped and self._now_ms() < job.ends_ms:
            return JobReading(key, JobPhase.RUNNING)
        return JobReading(key, JobPhase.DONE, self._answer(job.spec.work, job.spec.arguments))


class NoSecrets:
    """A world without secrets."""

    def resolve(self, ref: SecretRef) -> str:
        """See `Secrets`."""
        raise Refused("secret-missing", f"{ref.text()} has no value")
