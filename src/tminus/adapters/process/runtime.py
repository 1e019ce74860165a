"""The runtime that starts and stops slots as programs, through whatever implements `Supervision`."""

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tminus.adapters.process import ports, record
from tminus.adapters.process.probe import Health, probe_all
from tminus.adapters.process.record import Record, Tenancy
from tminus.domain.launch.reading import InstanceReading, SlotReading, WorkerReading
from tminus.domain.launch.slot import Slot
from tminus.domain.plan.image import Container
from tminus.ports.fault import Refused, Unavailable
from tminus.ports.runtime import SlotSpec, WorkerSpec
from tminus.ports.supervision import Housing, ProgramReading, ProgramSpec, Supervision

LOCK = "slots.lock"
LOGS = "logs"
WORKER = "TMINUS_WORKER"  # names a worker to itself, as PORT tells an instance where to listen


class ProcessRuntime:
    """Implements `Runtime`, `Addressing` and `Adoption` by processes of this machine, and by containers."""

    def __init__(self, supervision: Supervision, artifacts: Path, directory: Path) -> None:
        """See the class.

        Args:
            supervision: of this service and environment.
            artifacts: holds one directory per artifact, named by the hexadecimal part of its digest.
            directory: where slots and ports are remembered, and instances' output goes.
        """
        self._supervision = supervision
        self._artifacts = artifacts.absolute()
        self._directory = directory.absolute()

    def start_slot(self, slot: Slot, spec: SlotSpec) -> None:
        """See `Runtime.start_slot`.

        Raises:
            Refused: `artifact-missing`, `slot-occupied`, `command-not-found`.
            Unavailable: `slot-stopping`, `disk-full`, `no-free-port`, or no supervisor answers.
        """
        if not self._artifact(spec.digest).is_dir():
            raise Refused("artifact-missing", f"there is no directory {self._artifact(spec.digest)}")
        wanted = Tenancy(spec.digest, spec.instances, spec.health_path)
        with self._alone():
            known = record.load(self._directory)
            self._refuse_other(slot, known, wanted)
            running = self._own(slot)
            if slot not in known.tenancies and any(reading.pid for reading in running.values()):
                raise Unavailable("slot-stopping", f"{slot} still runs what it held before")
            hosts = _hosts_of(spec.container)
            fresh = self._with_ports(slot, spec.instances, known, running, hosts)
            # On record before they run: a slot that holds something unknown would be worse than an empty one.
            record.save(self._directory, replace(fresh, tenancies={**known.tenancies, slot: wanted}))
            try:
                self._supervision.keep(self._programs(slot, spec, fresh))
            except (Refused, Unavailable) as fault:
                if slot not in known.tenancies:
                    back = replace(fresh, tenancies=known.tenancies)
                    if fault.code == "port-taken":  # on a machine where nobody could look before
                        kept = {name: port for name, port in fresh.ports.items() if not _is_of(slot, name)}
                        back = replace(back, ports=kept)
                    record.save(self._directory, back)
                raise
            wanted_names = {*_names(slot, spec.instances), *_worker_names(slot, spec)}
            self._supervision.drop([name for name in running if name not in wanted_names])

    def stop_slot(self, slot: Slot) -> None:
        """See `Runtime.stop_slot`."""
        with self._alone():
            known = record.load(self._directory)
            if slot in known.tenancies:
                rest = {other: tenancy for other, tenancy in known.tenancies.items() if other is not slot}
                record.save(self._directory, replace(known, tenancies=rest))
            if names := list(self._own(slot)):
                self._supervision.drop(names)

    def read_slots(self) -> Mapping[Slot, SlotReading]:
        """See `Runtime.read_slots`."""
        known = record.load(self._directory)
        programs = self._supervision.programs()
        instances = {slot: _instances(slot, known, programs) for slot in Slot}
        probes = [
            (slot, instance, known.tenancies[slot].health_path)
            for slot in Slot
            if slot in known.tenancies
            for instance in instances[slot]
        ]
        asked = probe_all([(instance.address, path) for _, instance, path in probes])
        health = {instance.name: answer for (_, instance, _), answer in zip(probes, asked, strict=True)}
        return {
            slot: replace(
                _reading(slot, known.tenancies.get(slot), instances[slot], health),
                workers=_workers(slot, programs),
            )
            for slot in Slot
        }

    def adopt_slot(self, slot: Slot, addresses: Sequence[str], digest: str, health_path: str) -> None:
        """See `Adoption.adopt_slot`."""
        wanted = Tenancy(digest, len(addresses), health_path, tuple(addresses))
        with self._alone():
            known = record.load(self._directory)
            held = known.tenancies.get(slot)
            if held == wanted:
                return
            if (held is not None and not held.external) or any(r.pid for r in self._own(slot).values()):
                raise Refused("slot-occupied", f"{slot} runs instances of its own")
            record.save(self._directory, replace(known, tenancies={**known.tenancies, slot: wanted}))

    def addresses(self, instances: int, hosts: Sequence[str] = ()) -> Mapping[Slot, tuple[str, ...]]:
        """See `Addressing.addresses`. A port that somebody else has taken is changed when the slot starts.

        Raises:
            Unavailable: no port is free, or the record cannot be written.
        """
        with self._alone():
            known = record.load(self._directory)
            fresh = known
            for slot in Slot:
                known_hosts = None if slot in fresh.tenancies else hosts
                fresh = self._with_ports(slot, instances, fresh, None, known_hosts)
            if fresh != known:
                record.save(self._directory, fresh)
        found = {}
        for slot in Slot:
            tenancy = fresh.tenancies.get(slot)
            own = tuple(_address(name, fresh) for name in _names(slot, instances))
            found[slot] = tenancy.external if tenancy and tenancy.external else own
        return found

    def _artifact(self, digest: str) -> Path:
        return self._artifacts / digest.rpartition(":")[2]

    def _own(self, slot: Slot) -> dict[str, ProgramReading]:
        return {name: reading for name, reading in self._supervision.programs().items() if _is_of(slot, name)}

    def _refuse_other(self, slot: Slot, known: Record, wanted: Tenancy) -> None:
        held = known.tenancies.get(slot)
        if held is None:
            return
        if held.external:
            raise Refused("slot-occupied", f"{slot} holds instances that somebody else runs")
        if held.digest != wanted.digest:
            raise Refused("slot-occupied", f"{slot} holds {held.digest}")

    def _with_ports(
        self,
        slot: Slot,
        count: int,
        known: Record,
        running: Mapping[str, ProgramReading] | None,
        hosts: Sequence[str] | None,
    ) -> Record:
        """Each instance with a port; given `running`, those of the others must still be free.

        Given `hosts`, the instances are spread over them; else they stay where they are.
        """
        assigned, places = dict(known.ports), dict(known.hosts)
        for index, name in enumerate(_names(slot, count)):
            if hosts is not None:
                host = hosts[index % len(hosts)] if hosts else ports.LOCAL
                if places.get(name, ports.LOCAL) != host:
                    assigned.pop(name, None)
                places[name] = host
            port = assigned.get(name)
            here = places.get(name, ports.LOCAL) == ports.LOCAL
            stays = port is not None and (
                running is None or name in running or not here or ports.is_free(port)
            )
            if not stays:
                try:
                    assigned[name] = ports.pick_free(assigned.values())
                except OSError as error:
                    raise Unavailable("no-free-port", str(error)) from error
        return replace(known, ports=assigned, hosts=places)

    def _programs(self, slot: Slot, spec: SlotSpec, known: Record) -> list[ProgramSpec]:
        (self._directory / LOGS).mkdir(parents=True, exist_ok=True)
        programs = []
        for name in _names(slot, spec.instances):
            housing = _housing(spec.container, _number(name), known.ports[name])
            port = str(known.ports[name] if housing is None else housing.inside)
            argv = tuple(argument.replace("{port}", port) for argument in spec.command)
            programs.append(self._program(name, argv, {"PORT": port}, spec, housing))
        for name, worker in _worker_names(slot, spec).items():
            housing = _housing(spec.container, _number(name), 0)
            programs.append(self._program(name, worker.command, {WORKER: worker.name}, spec, housing))
        return programs

    def _program(
        self,
        name: str,
        argv: tuple[str, ...],
        own: Mapping[str, str],
        spec: SlotSpec,
        housing: Housing | None,
    ) -> ProgramSpec:
        return ProgramSpec(
            name=name,
            argv=argv,
            environment={**spec.environment, **own},
            directory=str(self._artifact(spec.digest)),
            log=str(self._directory / LOGS / f"{name}.log"),
            restart=True,
            stop_grace_ms=spec.stop_grace_ms,
            housing=housing,
        )

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One writer of the record at a time, in whatever process; writes take milliseconds."""
        self._directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _hosts_of(container: Container | None) -> tuple[str, ...]:
    return () if container is None else tuple(machine.address for machine in container.machines)


def _housing(container: Container | None, number: int, port: int) -> Housing | None:
    if container is None:
        return None
    machine = container.machine(number)
    return Housing(container, machine.engine, machine.address, port)


def _is_of(slot: Slot, name: str) -> bool:
    return name.startswith(f"{slot.value}-")


def _names(slot: Slot, count: int) -> list[str]:
    return [f"{slot.value}-{number}" for number in range(1, count + 1)]


def _worker_names(slot: Slot, spec: SlotSpec) -> dict[str, WorkerSpec]:
    return {
        f"{_worker_prefix(slot)}{worker.name}-{number}": worker
        for worker in spec.workers
        for number in range(1, worker.instances + 1)
    }


def _worker_prefix(slot: Slot) -> str:
    return f"{slot.value}-worker-"


def _number(name: str) -> int:
    return int(name.rpartition("-")[2])


def _address(name: str, known: Record) -> str:
    return f"{known.hosts.get(name, ports.LOCAL)}:{known.ports[name]}"


def _instances(
    slot: Slot, known: Record, programs: Mapping[str, ProgramReading]
) -> tuple[InstanceReading, ...]:
    tenancy = known.tenancies.get(slot)
    if tenancy and tenancy.external:
        return tuple(
            InstanceReading(f"{slot.value}-{number}", address, alive=False, healthy=False)
            for number, address in enumerate(tenancy.external, start=1)
        )
    workers = _worker_prefix(slot)
    names = [name for name in programs if _is_of(slot, name) and not name.startswith(workers)]
    return tuple(
        InstanceReading(
            name,
            _address(name, known),
            alive=programs[name].pid > 0,
            healthy=False,
            restarts=programs[name].restarts,
        )
        for name in sorted(names, key=_number)
    )


def _workers(slot: Slot, programs: Mapping[str, ProgramReading]) -> tuple[WorkerReading, ...]:
    return tuple(
        WorkerReading(name, alive=programs[name].pid > 0, restarts=programs[name].restarts)
        for name in sorted(programs)
        if name.startswith(_worker_prefix(slot))
    )


def _reading(
    slot: Slot, tenancy: Tenancy | None, instances: tuple[InstanceReading, ...], health: Mapping[str, Health]
) -> SlotReading:
    if tenancy is None:
        return SlotReading(slot, instances=instances)
    nothing = Health(reached=False, healthy=False)
    answered = [(instance, health.get(instance.name, nothing)) for instance in instances]
    external = bool(tenancy.external)
    return SlotReading(
        slot,
        tenancy.digest,
        tenancy.expected,
        tuple(
            replace(
                instance,
                healthy=answer.healthy and (external or instance.alive),
                # Nobody here can see the process of an external instance; that it accepts must do.
                alive=answer.reached if external else instance.alive,
            )
            for instance, answer in answered
        ),
        external,
    )
