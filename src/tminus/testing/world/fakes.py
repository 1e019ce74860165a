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
    WorkerReading,
)
from tminus.domain.launch.route import Route, Watch
from tminus.domain.launch.slot import Slot
from tminus.domain.plan.secret import SecretRef
from tminus.domain.problem import ProblemError
from tminus.domain.watch.counts import Sample
from tminus.ports.fault import Refused, Unavailable
from tminus.ports.jobs import JobSpec
from tminus.ports.router import Hosting
from tminus.ports.runtime import SlotSpec
from tminus.testing.world.physics import INSTANCES, Instance, Physics, RouterMemory, Worker

NEVER_MS = 1 << 60
STOP_GRACE_MS = 2_000  # between asking a job to end and killing it


class FakeRuntime:
    """Runtime, Addressing and Adoption over the physics.

    Args:
        physics: the world.
        boot_ms: per digest, how long its instances take to become healthy; None where no such artifact is.
    """

    def __init__(self, physics: Physics, boot_ms: Callable[[str], int | None]) -> None:
        """See the class."""
        self._physics = physics
        self._boot_ms = boot_ms

    def start_slot(self, slot: Slot, spec: SlotSpec) -> None:
        """See `Runtime`."""
        place = self._physics.places[slot]
        if place.digest == spec.digest and place.instances and not place.strangers:
            return
        self._unoccupied(slot)
        boot_ms = self._boot_ms(spec.digest)
        if boot_ms is None:
            raise Refused("artifact-missing", f"there is no artifact {spec.digest}")
        place.digest = spec.digest
        ready_ms = self._physics.now_ms + boot_ms
        place.instances = [Instance(ready_ms) for _ in range(spec.instances)]
        place.workers = [
            Worker(f"{slot.value}-worker-{worker.name}-{number}")
            for worker in spec.workers
            for number in range(1, worker.instances + 1)
        ]

    def stop_slot(self, slot: Slot) -> None:
        """See `Runtime`."""
        place = self._physics.places[slot]
        if place.instances:
            place.stopped += 1
        if not place.strangers:
            for instance in place.instances:
                instance.ended = True
        place.digest, place.instances, place.workers, place.strangers = None, [], [], ()

    def read_slots(self) -> Mapping[Slot, SlotReading]:
        """See `Runtime`."""
        return {slot: self._read(slot) for slot in Slot}

    def addresses(self, instances: int, hosts: Sequence[str] = ()) -> Mapping[Slot, tuple[str, ...]]:
        """See `Addressing`; every simulated instance is on this machine."""
        del hosts
        return {
            slot: self._physics.places[slot].strangers
            or tuple(f"127.0.0.1:{base + index}" for index in range(instances))
            for slot, base in zip(Slot, (9_100, 9_200), strict=True)
        }

    def adopt_slot(self, slot: Slot, addresses: Sequence[str], digest: str, health_path: str) -> None:
        """See `Adoption`."""
        del health_path
        place = self._physics.places[slot]
        if place.strangers == tuple(addresses) and place.digest == digest:
            return
        self._unoccupied(slot)
        place.digest, place.strangers = digest, tuple(addresses)
        found = self._physics.strangers
        place.instances = [found.setdefault(each, Instance(self._physics.now_ms)) for each in addresses]

    def _unoccupied(self, slot: Slot) -> None:
        place = self._physics.places[slot]
        if place.instances:
            raise Refused("slot-occupied", f"{slot.value} runs {place.digest}")

    def _read(self, slot: Slot) -> SlotReading:
        place, now_ms = self._physics.places[slot], self._physics.now_ms
        addresses = self.addresses(max(len(place.instances), INSTANCES))[slot]
        instances = tuple(
            InstanceReading(
                name=f"{slot.value}-{index + 1}",
                address=addresses[index],
                alive=not instance.ended,
                healthy=instance.healthy_ms <= now_ms and not instance.ended,
                restarts=instance.restarts,
            )
            for index, instance in enumerate(place.instances)
        )
        workers = tuple(
            WorkerReading(worker.name, alive=True, restarts=worker.restarts) for worker in place.workers
        )
        external = bool(place.strangers)
        return SlotReading(slot, place.digest, len(place.instances), instances, external, workers)


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

    def cut_slot(self, slot: Slot, route_class: str = "") -> int:
        """See `Draining`. No class is kept apart."""
        self._running()
        if route_class:
            return 0
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
        self._physics.error_limit_ppm = hosting.error_limit_ppm
        self._physics.lease_ms = {Watch.SHORT: hosting.shift_lease_ms, Watch.PATIENT: hosting.bake_lease_ms}

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


class Vanished(Exception):  # noqa: N818 - what became of it, not an error of ours
    """A work's process ends without an outcome."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a kind of work goes on: for how long, and whether it listens when it is told to stop."""

    length_ms: int
    listens: bool = True


MANNERS: Mapping[str, Manner] = {
    **dict.fromkeys(
        ("build", "artifact-smoke", "smoke", "verify-artifact", "resources", "warm"), Manner(700)
    ),
    **dict.fromkeys(("backup", "restore-test", "migrate", "command", "integrity"), Manner(1_500)),
    **dict.fromkeys(("meter", "sampler", "measure", "check"), Manner(NEVER_MS)),
}


@dataclass(slots=True)
class _Job:
    spec: JobSpec
    began_ms: int
    stopped_ms: int = NEVER_MS
    lost: bool = False
    ended: JobReading | None = None


class FakeJobs:
    """Jobs that take a little virtual time and then answer as the scenario says.

    Args:
        now_ms: the world's clock.
        answer: result of a job by its kind of work and arguments, asked once when the job ends. A
            ProblemError, Vanished or any other exception ends it as it would end a work's process.
        manners: how each known kind of work goes on.
        progress: what a running job of that kind has told so far.
    """

    def __init__(
        self,
        now_ms: Callable[[], int],
        answer: Callable[[str, Json], Json],
        manners: Mapping[str, Manner] = MANNERS,
        progress: Callable[[str], Json] = lambda _: None,
    ) -> None:
        """See the class."""
        self._now_ms = now_ms
        self._answer = answer
        self._manners = manners
        self._progress = progress
        self._jobs: dict[str, _Job] = {}

    def start_job(self, spec: JobSpec) -> None:
        """See `Jobs`."""
        if spec.work not in self._manners:
            raise Refused("no-such-work", f"no work is named {spec.work!r}")
        before = self._jobs.get(spec.key)
        if before is None or self._read(before).phase is JobPhase.LOST:
            self._jobs[spec.key] = _Job(spec, self._now_ms())

    def read_jobs(self, keys: Iterable[str]) -> Mapping[str, JobReading]:
        """See `Jobs`."""
        return {key: self._read(self._jobs[key]) for key in keys if key in self._jobs}

    def stop_job(self, key: str) -> None:
        """See `Jobs`."""
        if key in self._jobs:
            job = self._jobs[key]
            job.stopped_ms = min(job.stopped_ms, self._now_ms())

    def lose(self) -> None:
        """Every running job disappears without an outcome, as when the machine restarts."""
        for job in self._jobs.values():
            if self._read(job).phase is JobPhase.RUNNING:
                job.lost = True

    @property
    def running(self) -> list[str]:
        """Keys of jobs that run now."""
        return [key for key, job in self._jobs.items() if self._read(job).phase is JobPhase.RUNNING]

    def _read(self, job: _Job) -> JobReading:
        if job.lost:
            return JobReading(job.spec.key, JobPhase.LOST)
        job.ended = job.ended or self._end(job)
        return job.ended or JobReading(job.spec.key, JobPhase.RUNNING, progress=self._progress(job.spec.work))

    def _end(self, job: _Job) -> JobReading | None:
        key, manner = job.spec.key, self._manners[job.spec.work]
        done_ms = job.began_ms + manner.length_ms
        overdue_ms = job.began_ms + job.spec.deadline_ms
        ends_ms = min(done_ms, overdue_ms, job.stopped_ms + (0 if manner.listens else STOP_GRACE_MS))
        if self._now_ms() < ends_ms:
            return None
        if ends_ms == overdue_ms:
            why = f"not done within its deadline of {job.spec.deadline_ms} ms"
            return JobReading(key, JobPhase.FAILED, None, "job-deadline", why)
        if ends_ms < done_ms and not manner.listens:
            why = "told to stop, and killed after its grace"
            return JobReading(key, JobPhase.FAILED, None, "job-stopped", why)
        return self._outcome(job.spec)

    def _outcome(self, spec: JobSpec) -> JobReading:
        try:
            return JobReading(spec.key, JobPhase.DONE, self._answer(spec.work, spec.arguments))
        except Vanished:
            return JobReading(spec.key, JobPhase.LOST)
        except ProblemError as error:
            problem = error.problems[0]
            why = "; ".join(part for part in (problem.what, problem.why, problem.fix) if part)
            return JobReading(spec.key, JobPhase.FAILED, None, problem.code, why)
        except Exception as error:  # noqa: BLE001 - whatever a work does wrong is its job's failure
            return JobReading(spec.key, JobPhase.FAILED, None, "work-crashed", type(error).__name__)


class NoSecrets:
    """A world without secrets."""

    def resolve(self, ref: SecretRef) -> str:
        """See `Secrets`."""
        raise Refused("secret-missing", f"{ref.text()} has no value")
