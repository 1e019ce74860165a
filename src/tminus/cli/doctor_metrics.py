"""What the sources of a plan's metrics lack on this machine. Asks nothing outside it."""

import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

from tminus.cli.finding import Finding, State
from tminus.cli.machine import Machine
from tminus.domain.plan.metric import (
    CommandSource,
    HttpSource,
    MetricDefinition,
    PrometheusSource,
    ReportSource,
    SystemSource,
)
from tminus.domain.watch.probe import secrets_of
from tminus.plan.load import LoadedPlan

_PORTS = {"http": 80, "https": 443}
_HANDBOOK = frozenset({"cpu", "memory", "disk free", "load", "database connections", "database latency"})


def metric_findings(machine: Machine, loaded: LoadedPlan) -> Iterator[Finding]:
    """One finding for each thing that a source lacks, or one for all when none lacks anything.

    Nothing is said of a plan that has no metrics of its own, unless one lacks something.
    """
    metrics = [metric for metric in loaded.plan.metrics if not metric.by_person]
    lacking = [finding for metric in metrics for finding in _lacks(machine, loaded, metric)]
    yield from lacking
    own = [metric.name for metric in metrics if metric.name not in _HANDBOOK]
    if own and not lacking:
        yield Finding("metrics", State.OK, f"{', '.join(own)}: nothing lacks on this machine")


def _lacks(machine: Machine, loaded: LoadedPlan, metric: MetricDefinition) -> Iterator[Finding]:
    name, source = f"metric {metric.name}", metric.source
    for ref in dict.fromkeys(secrets_of(source)):
        why = machine.secret_lacks(ref, loaded.directory)
        if why:
            fix = f"provide {ref.text()} where `tminus launch` or the agent is started"
            yield Finding(name, State.MISSING, why, fix)
    match source:
        case SystemSource() if not machine.tells_gauges():
            yield Finding(name, State.MISSING, "this system does not tell its gauges", "measure on Linux")
        case CommandSource():
            yield from _program(machine, loaded, name, source.command[0])
        case ReportSource(path=path) if path and not machine.is_file(loaded.directory / path):
            what = f"{path} is not there"
            yield Finding(name, State.WARN, what, "have the scanner write it before T-0")
        case PrometheusSource(url=url) | HttpSource(url=url) | ReportSource(url=url) if url:
            yield from _address(machine, name, url)


def _program(machine: Machine, loaded: LoadedPlan, name: str, program: str) -> Iterator[Finding]:
    if "/" not in program:
        if not machine.finds_program(program):
            yield Finding(name, State.MISSING, f"there is no program {program}", "install it")
        return
    place = loaded.directory / loaded.plan.source.repository / program
    if not machine.is_file(place):
        fix = "fine if the build makes it; else name the program by its path in the repository"
        yield Finding(name, State.WARN, f"{program} is not in the repository", fix)


def _address(machine: Machine, name: str, url: str) -> Iterator[Finding]:
    """A server on this machine can be knocked at; any other is left alone."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
    if not _is_here(host) or machine.answers(host, port):
        return
    what = f"nobody answers at {host}:{port}"
    yield Finding(name, State.WARN, what, "start it before T-0, or change the metric's `url`")


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
