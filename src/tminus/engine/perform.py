"""Makes one call through one port for one command. Decides nothing, retries nothing."""

from collections.abc import Callable, Mapping

from tminus.domain.canonical import Json
from tminus.domain.launch import command as cmd
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.times import format_duration
from tminus.engine.hosting import hosting_for
from tminus.engine.observe import job_name
from tminus.engine.ports import Ports
from tminus.ports.fault import Unavailable
from tminus.ports.jobs import JobSpec
from tminus.ports.runtime import SlotSpec, WorkerSpec


class Performer:
    """Performs commands of one launch."""

    def __init__(self, ports: Ports, launch: str) -> None:
        """See the class."""
        self._ports = ports
        self._launch = launch
        self._calls: Mapping[type, Callable[..., str]] = {
            cmd.HostRouter: self._host_router,
            cmd.StartSlot: self._start_slot,
            cmd.StopSlot: self._stop_slot,
            cmd.AdmitSlot: self._admit_slot,
            cmd.ExpelSlot: self._expel_slot,
            cmd.CutSlot: self._cut_slot,
            cmd.WriteRoute: self._write_route,
            cmd.CommitRoute: self._commit_route,
            cmd.RenewLease: self._renew_lease,
            cmd.StartJob: self._start_job,
            cmd.StopJob: self._stop_job,
        }

    def perform(self, command: cmd.Command, state: LaunchState) -> str:
        """Makes the call and returns a note for the log, mostly empty.

        Raises:
            PortFault: one of the three faults, as the port raised it.
        """
        return self._calls[type(command)](command, state)

    def _host_router(self, command: cmd.HostRouter, state: LaunchState) -> str:
        plan = state.plan
        addresses = self._ports.runtime.addresses(plan.run.instances, plan.run.hosts)
        hosting = hosting_for(plan, addresses)
        if hosting.digest != command.hosting:
            raise Unavailable("addresses-changed", "instance addresses changed since this was decided")
        self._ports.router.host(hosting)
        return ""

    def _start_slot(self, command: cmd.StartSlot, state: LaunchState) -> str:
        candidate = command.slot is state.candidate
        run = state.plan.run if candidate or state.stable_run is None else state.stable_run
        if state.plan.adopt and candidate:
            self._ports.runtime.adopt_slot(command.slot, state.plan.adopt, command.digest, run.health_path)
            return "adopted as they run"
        environment = {
            # An image has its own PATH and the like; this machine's mean nothing in it.
            **(self._ports.environment if run.container is None else {}),
            **dict(run.environment),
            "TMINUS_SLOT": command.slot.value,
            "TMINUS_VERSION": state.plan.version if candidate else state.stable_version or "",
            **{name: self._ports.secrets.resolve(ref) for name, ref in run.secrets},
        }
        spec = SlotSpec(
            digest=command.digest,
            command=run.command,
            environment=environment,
            instances=run.instances,
            health_path=run.health_path,
            stop_grace_ms=run.stop_grace_ms,
            workers=tuple(
                WorkerSpec(worker.name, worker.command, worker.instances) for worker in run.workers
            ),
            container=run.container,
        )
        self._ports.runtime.start_slot(command.slot, spec)
        return ""

    def _stop_slot(self, command: cmd.StopSlot, state: LaunchState) -> str:
        del state
        self._ports.runtime.stop_slot(command.slot)
        return ""

    def _admit_slot(self, command: cmd.AdmitSlot, state: LaunchState) -> str:
        del state
        self._ports.router.admit_slot(command.slot)
        return ""

    def _expel_slot(self, command: cmd.ExpelSlot, state: LaunchState) -> str:
        del state
        self._ports.router.expel_slot(command.slot)
        return ""

    def _cut_slot(self, command: cmd.CutSlot, state: LaunchState) -> str:
        cut = self._ports.router.cut_slot(command.slot, command.route_class)
        if not command.route_class:
            return f"{cut} cut after the drain deadline"
        drain_ms = next(
            entry.drain_ms for entry in state.plan.route_classes if entry.name == command.route_class
        )
        limit = format_duration(drain_ms)
        return f"{cut} cut after the drain deadline of {command.route_class}, {limit}"

    def _write_route(self, command: cmd.WriteRoute, state: LaunchState) -> str:
        del state
        self._ports.router.write_route(command.route)
        return ""

    def _commit_route(self, command: cmd.CommitRoute, state: LaunchState) -> str:
        del state
        self._ports.router.commit_route(command.route)
        return ""

    def _renew_lease(self, command: cmd.RenewLease, state: LaunchState) -> str:
        del state
        self._ports.router.renew_lease(command.route)
        return ""

    def _start_job(self, command: cmd.StartJob, state: LaunchState) -> str:
        del state
        defaults: Mapping[str, Json] = self._ports.job_defaults.get(command.work, {})
        arguments = {**defaults, **command.arguments}
        name = job_name(self._launch, command.key)
        self._ports.jobs.start_job(JobSpec(name, command.work, arguments, command.deadline_ms))
        return ""

    def _stop_job(self, command: cmd.StopJob, state: LaunchState) -> str:
        del state
        self._ports.jobs.stop_job(job_name(self._launch, command.key))
        return ""
