"""What remains of a service when tminus is taken away: read from its launches, written as units and a README.

Must not stop or start anything.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tminus.domain.launch.slot import Slot
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.plan import Plan
from tminus.domain.plan.times import format_utc
from tminus.domain.problem import Problem, ProblemError
from tminus.engine.drive import fold_launch
from tminus.ports.journal import Journal, LaunchRow, Shelf

CONFIG = "haproxy.cfg"
README = "README.md"


@dataclass(frozen=True, slots=True)
class Remaining:
    """A program that runs on.

    Attributes:
        name: of its unit, without the suffix.
        what: one line for people.
        pid: of its process now.
        argv: argument vector, the program as an absolute path.
        directory: working directory.
        environment: (name, value) pairs, without any secret.
        address: where it answers.
        stop_signal: what ends it in order.
        stop_grace_ms: before it is killed.
    """

    name: str
    what: str
    pid: int
    argv: tuple[str, ...]
    directory: str
    environment: tuple[tuple[str, str], ...]
    address: str
    stop_signal: str = "SIGTERM"
    stop_grace_ms: int = 10_000


@dataclass(frozen=True, slots=True)
class Remains:
    """Everything that remains of a service.

    Attributes:
        plan: of the launch whose version serves.
        router: the program that listens at the public address.
        instances: those that tminus had started.
        external: addresses of instances that somebody else runs.
        directory: where units and configuration are written, absolute.
        system: units are for the whole machine, else for this user.
    """

    plan: Plan
    slot: Slot
    router: Remaining
    instances: tuple[Remaining, ...]
    external: tuple[str, ...]
    directory: str
    at_ms: int
    system: bool

    @property
    def secrets_file(self) -> str:
        """Where units look for secrets; it is never written by tminus."""
        return f"{self.directory}/{self.plan.service}.secrets"


def serving_launch(
    service: str, journal: Journal, shelf: Shelf, rows: Sequence[LaunchRow], left_ms: int | None
) -> LaunchState:
    """The launch whose version serves, of these launches of one service and environment, oldest first.

    Raises:
        ProblemError: `leave-launch-open` or `leave-nothing`.
    """
    for row in rows:
        if row.open:
            raise ProblemError(
                Problem(
                    "leave-launch-open",
                    f"{row.launch} is still open",
                    service,
                    "its router would fall back when nobody drives it, in the midst of a launch",
                    f"wait for its end (tminus log {row.launch} --follow), or tminus abort {row.launch}",
                )
            )
    for row in reversed(rows):
        if left_ms is not None and left_ms >= row.opened_ms:
            break
        state, _ = fold_launch(journal, shelf, row.launch)
        if state.ended_well:
            return state
        if state.stable is None:
            break  # withdrawn: nothing serves
    raise ProblemError(nothing_left(service))


def nothing_left(service: str) -> Problem:
    """Nothing of the service is behind a router of tminus."""
    return Problem(
        "leave-nothing",
        f"tminus runs nothing of {service}",
        service,
        "there is no router and no instance to leave running",
        "tminus log shows what became of it",
    )


def unit_text(program: Remaining, remains: Remains) -> str:
    """A systemd unit that runs the program as it runs now."""
    secrets = () if program is remains.router else remains.plan.run.secrets
    lines = [
        "[Unit]",
        f"Description={_literal(program.what)}",
        "After=network.target",
        "# Its port may still be taken for some seconds; that is no reason to give up.",
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        "Type=exec",
        f"WorkingDirectory={_literal(program.directory)}",
        f"ExecStart={' '.join(_argument(word) for word in program.argv)}",
        *(f"Environment={_quoted(f'{name}={value}')}" for name, value in program.environment),
        *([f"EnvironmentFile={_literal(remains.secrets_file)}"] if secrets else []),
        "Restart=always",
        "RestartSec=1",
        f"KillSignal={program.stop_signal}",
        f"TimeoutStopSec={max(1, -(-program.stop_grace_ms // 1000))}",
        "",
        "[Install]",
        f"WantedBy={'multi-user' if remains.system else 'default'}.target",
        "",
    ]
    return "\n".join(lines)


def readme_text(remains: Remains) -> str:
    """What runs where, and how it is run from now on."""
    lines = [*_running(remains), *_under_systemd(remains), *_way_back(remains)]
    return "\n".join(lines)


def _running(remains: Remains) -> list[str]:
    plan = remains.plan
    programs = (remains.router, *remains.instances)
    return [
        f"# {plan.service} {plan.version} without tminus",
        "",
        f"tminus was taken away from {plan.service} in {plan.environment} at {format_utc(remains.at_ms)}.",
        "Nothing was stopped. Nothing starts these programs again if they end, until their units do.",
        "",
        "| program | pid | answers at | unit |",
        "|---|---|---|---|",
        *(f"| {each.what} | {each.pid} | {each.address} | `{each.name}.service` |" for each in programs),
        *(f"| {_of_others(plan)} | | {address} | |" for address in remains.external),
        "",
        f"The router's unit uses `{CONFIG}`, which sends everything to {remains.slot.value} for ever.",
        "The router that runs now does the same, and was started with a configuration of tminus.",
        "",
    ]


def _of_others(plan: Plan) -> str:
    if plan.run.container is not None:
        return "an instance in a container, which its engine keeps"
    return "an instance that somebody else runs"


def _under_systemd(remains: Remains) -> list[str]:
    control = "systemctl" if remains.system else "systemctl --user"
    place = "/etc/systemd/system" if remains.system else "~/.config/systemd/user"
    names = " ".join(f"{each.name}.service" for each in (remains.router, *remains.instances))
    linger = (
        [] if remains.system else ["", "`loginctl enable-linger` lets units of a user run without a login."]
    )
    return [
        "## Under systemd",
        "",
        *_secrets_lines(remains),
        "```sh",
        f"cp {remains.directory}/*.service {place}/",
        f"{control} daemon-reload",
        f"{control} enable {names}",
        "```",
        "",
        "From the next start of the machine they run as units. To hand over before that, one instance after",
        "the other, the router last:",
        "",
        "```sh",
        *(f"kill {each.pid} && {control} start {each.name}" for each in remains.instances),
        f"kill -USR1 {remains.router.pid} && {control} start {remains.router.name}",
        "```",
        "",
        "Between the two routers connections are refused for a moment. A unit whose port is still taken is",
        "tried again each second.",
        *linger,
        "",
        f"The router's program is `{remains.router.argv[0]}`.",
        "Where it came with tminus, install HAProxy 2.8 or later from your system, and change `ExecStart`",
        "before you remove tminus. Keep the directories that the units name.",
        "",
    ]


def _way_back(remains: Remains) -> list[str]:
    return [
        "## Back to tminus",
        "",
        "Give `listen` in launch.yaml a free port, and then:",
        "",
        "```sh",
        back_command(remains),
        "```",
        "",
        "Clients are moved from the old router to the new one; both answer meanwhile.",
        "",
    ]


def back_command(remains: Remains) -> str:
    """What takes the service back."""
    found = [*(each.address for each in remains.instances), *remains.external]
    options = " ".join(f"--address {address}" for address in found)
    return f"tminus adopt --version {remains.plan.version} {options}"


def _secrets_lines(remains: Remains) -> list[str]:
    secrets = remains.plan.run.secrets if remains.instances else ()
    if not secrets:
        return []
    return [
        f"The units read secrets from `{remains.secrets_file}`, which does not exist yet.",
        "Make it readable by its owner alone, and give it one `NAME=value` per line:",
        "",
        "| name | came from |",
        "|---|---|",
        *(f"| `{name}` | `{ref.text()}` |" for name, ref in secrets),
        "",
        "```sh",
        f"install --mode 0600 /dev/null {remains.secrets_file}",
        "```",
        "",
    ]


def _literal(text: str) -> str:
    return text.replace("%", "%%")


def _argument(word: str) -> str:
    """A word of `ExecStart`, where `$` would be expanded."""
    plain = re.fullmatch(r"[A-Za-z0-9_@+=:,./-]+", word)
    return word if plain else _quoted(word.replace("$", "$$"))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{_literal(escaped)}"'
