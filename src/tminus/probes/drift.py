"""The probe `drift`: the infrastructure is as it is written. Must not change it."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tminus.domain.plan.secret import SecretRef
from tminus.domain.readiness.answer import Answer, failed, passed, unknown
from tminus.ports.probes import Around, ProbeKind, Target
from tminus.probes.amount import counted, listed
from tminus.probes.command import check_below, run_in_repository, why_not
from tminus.probes.guard import guarded
from tminus.probes.running import SECRET_VARIABLE, Ran

_SAME, _CHANGES = 0, 2  # of `plan -detailed-exitcode`
_RECAP = re.compile(r"^(\S+)\s*: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.MULTILINE)
_QUIET = (("ANSIBLE_NOCOLOR", "1"), ("ANSIBLE_RETRY_FILES_ENABLED", "0"), ("TF_IN_AUTOMATION", "1"))
_KINDS = frozenset({"planned_change", "resource_drift"})


class DriftTool(StrEnum):
    """What the infrastructure is written for."""

    OPENTOFU = "opentofu"
    ANSIBLE = "ansible"


@dataclass(frozen=True, slots=True)
class DriftSettings:
    """What compares, and what with.

    Attributes:
        tool: `opentofu` compares by a plan, `ansible` by a playbook in check mode; neither changes anything.
        directory: of the configuration or the playbook, below the repository.
        playbook: of Ansible.
        program: the program, where it is not `tofu` or `ansible-playbook`, such as `terraform`.
        arguments: more of them, such as `-var-file=production.tfvars` or `--inventory=hosts`.
        environment: variables that it sees besides the few that every command does.
        secret: a secret that it finds in TMINUS_SECRET.
    """

    tool: DriftTool
    directory: str = ""
    playbook: str = ""
    program: str = ""
    arguments: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    secret: SecretRef | None = None

    def __post_init__(self) -> None:
        """Refuses what cannot be run.

        Raises:
            ValueError: see its sentence.
        """
        check_below(self.directory)
        if bool(self.playbook) != (self.tool is DriftTool.ANSIBLE):
            raise ValueError("playbook is what ansible runs, and nothing else")
        if self.playbook.startswith("-"):
            raise ValueError(f"{self.playbook!r} is no name of a playbook")
        if SECRET_VARIABLE in dict(self.environment):
            raise ValueError(f"{SECRET_VARIABLE} is set by `secret`")


def _command(settings: DriftSettings) -> tuple[str, ...]:
    if settings.tool is DriftTool.ANSIBLE:
        # Without --diff: what differs in a file may be a secret.
        return (settings.program or "ansible-playbook", "--check", *settings.arguments, settings.playbook)
    asked = ("plan", "-detailed-exitcode", "-input=false", "-lock=false", "-no-color", "-json")
    return (settings.program or "tofu", *asked, *settings.arguments)


def _source(settings: DriftSettings, target: Target) -> str:
    del target
    command = _command(settings)
    where = f" in {settings.directory}" if settings.directory else ""
    return f"{' '.join(command)}{where}"[:300]


def _ask(settings: DriftSettings, around: Around, limit_ms: int) -> Answer:
    command, source = _command(settings), _source(settings, around.target)
    ran = run_in_repository(
        command,
        around,
        limit_ms,
        directory=settings.directory,
        environment=(*_QUIET, *settings.environment),
        secret=settings.secret,
    )
    why = why_not(ran, command)
    if why:
        return unknown(why, source)
    if ran.cut:
        return unknown(f"{command[0]} printed too much to be read", source)
    judge = _ansible if settings.tool is DriftTool.ANSIBLE else _opentofu
    return judge(ran, command[0], source)


def _opentofu(ran: Ran, program: str, source: str) -> Answer:
    lines = list(_json_lines(ran))
    changed = sorted({_address(line) for line in lines if line.get("type") in _KINDS} - {""})
    summary = next((line["changes"] for line in lines if line.get("type") == "change_summary"), None)
    facts = {"changes": len(changed)}
    if ran.code not in (_SAME, _CHANGES):
        errors = [str(line.get("@message", "")) for line in lines if line.get("@level") == "error"]
        told = f": {' '.join(errors[0].split())[:200]}" if errors else ""
        return unknown(f"{program} ended with {ran.code}{told}", source, "", **facts)
    if summary is None:
        return unknown(f"{program} ended with {ran.code} and tells of no plan", source, "", **facts)
    if ran.code == _CHANGES:
        are = counted(len(changed), "resource differs", "resources differ")
        why = f"{are}: {listed(changed)}" if changed else "the plan has changes, of no resource"
        return failed(why, source, "\n".join(changed), **facts)
    if any(line.get("type") == "resource_drift" for line in lines):
        # Nothing would be done about it, and still it is not as it was written.
        return failed(f"changed outside: {listed(changed)}", source, "\n".join(changed), **facts)
    return passed("nothing differs from the configuration", source, "", **facts)


def _json_lines(ran: Ran) -> Iterator[dict[str, Any]]:
    for line in ran.output.splitlines():
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            yield found


def _address(line: dict[str, Any]) -> str:
    change = line.get("change")
    resource = change.get("resource") if isinstance(change, dict) else None
    found = resource.get("addr") if isinstance(resource, dict) else None
    return " ".join(found.split())[:200] if isinstance(found, str) else ""


def _ansible(ran: Ran, program: str, source: str) -> Answer:
    text = ran.output.decode(errors="replace")
    _, recap, after = text.rpartition("PLAY RECAP")
    hosts = [(host, *map(int, numbers)) for host, *numbers in _RECAP.findall(after)] if recap else []
    facts = {"hosts": len(hosts), "changes": sum(changed for _, _, changed, _, _ in hosts)}
    excerpt = after.strip(" *\n")
    lost = [host for host, _, _, unreachable, failures in hosts if unreachable or failures]
    if lost or ran.code:
        why = f"{program} ended with {ran.code}"
        return unknown(
            f"{why}; not looked at as a whole: {listed(lost) or 'no host'}", source, excerpt, **facts
        )
    if not hosts:
        return unknown(f"{program} looked at no host", source, excerpt, **facts)
    changed = [f"{host} ({changes})" for host, _, changes, _, _ in hosts if changes]
    if changed:
        return failed(
            f"{counted(facts['changes'], 'task')} would change something: {listed(changed)}",
            source,
            excerpt,
            **facts,
        )
    return passed(f"nothing would change on {counted(len(hosts), 'host')}", source, excerpt, **facts)


DRIFT = ProbeKind(DriftSettings, guarded(_ask, _source))
"""See `DriftSettings`. Sources: OpenTofu's machine-readable UI of `plan`, Ansible's play recap."""
