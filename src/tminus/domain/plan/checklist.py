"""The checklists of a plan: what must be known before a launch, who owns it and who is asked. Asks nobody."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

from tminus.domain.plan.times import MINUTE_MS, SECOND_MS


@dataclass(frozen=True, slots=True)
class Probed:
    """A machine is asked.

    Attributes:
        probe: kind of probe, as the entry-point group `tminus.probes` names it.
        settings: of that kind, as `domain.codec.to_json` writes its dataclass; it refers to secrets.
        secrets: the references that occur in the settings, as a plan writes them.
        every_ms: how often it is asked again while it passes.
        limit_ms: for one answer.
    """

    kind: ClassVar[str] = "probe"
    probe: str
    settings: Any
    secrets: tuple[str, ...] = ()
    every_ms: int = 5 * MINUTE_MS
    limit_ms: int = 30 * SECOND_MS


@dataclass(frozen=True, slots=True)
class Worked:
    """The launch's own work answers: every job named here has ended well.

    Attributes:
        jobs: their keys, such as `backup` and `restore-test`.
    """

    kind: ClassVar[str] = "work"
    jobs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Attested:
    """A person of the owning role states it.

    Attributes:
        says: what is to be stated, a sentence.
        file: a file has to be attached.
    """

    kind: ClassVar[str] = "attestation"
    says: str
    file: bool = False


@dataclass(frozen=True, slots=True)
class CheckItem:
    """One item of a checklist.

    Attributes:
        item: its id, stable over releases, such as `pre-deployment/backups-restored`.
        title: what must be so, in a few words.
        checklist: it belongs to, such as `pre-deployment`.
        section: of the checklist; may be empty.
        owner: role that answers for it.
        due_ms: when it should hold, counted from T-0, negative before it.
        asks: who or what is asked.
        keeps_ms: how long an answer counts.
        blocks: nothing is launched without it; else it is only shown.
    """

    item: str
    title: str
    checklist: str
    section: str
    owner: str
    due_ms: int
    asks: Probed | Worked | Attested
    keeps_ms: int
    blocks: bool = True


class GateAction(StrEnum):
    """What follows when the gate has not opened by its deadline. To go on is not among the choices."""

    HOLD = "hold"
    SCRUB = "scrub"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An item of the handbook that this plan does not have, and why."""

    item: str
    why: str


@dataclass(frozen=True, slots=True)
class Checks:
    """What must hold before a launch.

    Attributes:
        items: in the order of the checklists.
        people: principal ids by role; whoever says so may attest for a role without an entry.
        deadline_ms: how long the launch waits for the gate after everything else is ready.
        then: what follows then.
        left_out: items of the handbook that were taken out.
    """

    items: tuple[CheckItem, ...]
    people: Mapping[str, tuple[str, ...]]
    deadline_ms: int = 30 * MINUTE_MS
    then: GateAction = GateAction.HOLD
    left_out: tuple[LeftOut, ...] = ()

    def item(self, name: str) -> CheckItem | None:
        """The item of that id."""
        return next((each for each in self.items if each.item == name), None)
