"""What `tminus doctor` says of container engines. Must not change anything there."""

from collections.abc import Iterator

from tminus.cli.finding import Finding, State
from tminus.cli.machine import Machine
from tminus.domain.plan.plan import Plan
from tminus.ports.fault import PortFault


def engine_findings(machine: Machine, plan: Plan) -> Iterator[Finding]:
    """One for each engine that builds or runs the plan's image; none for a plan without one."""
    if plan.build.image is None or plan.run.container is None:
        return
    for url in dict.fromkeys(("", *(each.engine for each in plan.run.container.machines))):
        try:
            yield Finding("engine", State.OK, machine.engine_version(url))
        except PortFault as fault:
            fix = "start it, and let this user reach it; DOCKER_HOST or `run.docker.hosts` names another"
            yield Finding("engine", State.MISSING, fault.why, fix)
