"""`checks` of launch.yaml: what must hold before traffic moves. Must not ask anything."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from tminus.domain.plan.checklist import Checks, GateAction
from tminus.domain.plan.times import format_relative, parse_relative_ms
from tminus.plan.kinds import ClassName, Duration, OptionalDuration, Words, one_of
from tminus.plan.metric_kinds import Flag
from tminus.plan.scalar import Scalar
from tminus.plan.section import HANDBOOK, TMINUS, Section, default_of, given, usual
from tminus.plan.tree import Tree

_ITEM = r"[a-z][a-z0-9-]{0,31}/[a-z0-9][a-z0-9-]{0,62}"


def _item_of(text: str) -> str:
    if not re.fullmatch(_ITEM, text):
        raise ValueError(f"{str(text)!r} is not a checklist and a name, such as own/licence-paid")
    return str(text)


def _as_it_is(value: Tree) -> Tree:
    return value


ItemName = Annotated[
    str,
    Scalar(
        "a checklist and a name with a slash between them",
        "own/licence-paid",
        _item_of,
        code="plan-bad-name",
        schema={"type": "string", "pattern": f"^{_ITEM}$"},
    ),
]
Due = Annotated[
    int | None,
    Scalar(
        "a time relative to T-0",
        "T-24h",
        lambda text: parse_relative_ms(str(text)),
        format_relative,
        "plan-bad-time",
        {"type": "string", "examples": ["T-24h", "T"]},
    ),
]
Settings = Annotated[
    Any,
    Scalar(
        "the settings of its kind",
        "{url: /healthz}",
        _as_it_is,
        schema={"type": "object"},
        takes_any=True,
    ),
]


class CheckSection(Section):
    """An item: one of the handbook's, of which what is written here replaces what it had, or your own.

    A machine answers it with `probe`, the launch's own work with `work`, a person what `attest` says.
    """

    title: Words | None = given(
        "what must be so, in a few words", default=None, examples=["the licence is paid"]
    )
    section: Words | None = given("under which heading it stands", default=None)
    owner: ClassName | None = given("role that answers for it", default=None, examples=["pm"])
    due: Due = given("when it should hold, relative to T-0", default=None)
    probe: ClassName | None = given("kind of probe that is asked", default=None, examples=["http"])
    settings: Settings = given("settings of the probe, see its kind", default=None, alias="with")
    work: Annotated[list[ClassName], Field(min_length=1)] | None = given(
        "jobs of this launch that must have ended well, such as `build` or `restore-test`", default=None
    )
    attest: Words | None = given("what a person of the owning role states", default=None)
    file: Flag | None = given("whether a file has to be attached to the statement", default=None)
    keeps: OptionalDuration = given("how long an answer counts", default=None)
    every: OptionalDuration = given("how often a probe is asked again while it passes", default=None)
    within: OptionalDuration = given("how long a probe may take", default=None)
    blocks: Flag | None = given("whether nothing is launched without it", default=None)
    off: Words | None = given(
        "why this plan does not have this item of the handbook; nothing else may stand here then",
        default=None,
    )


class ChecksSection(Section):
    """What must hold before traffic moves: `handbook` for its three checklists, `off` for nothing."""

    handbook: Flag = usual(True, HANDBOOK, "its 52 items are asked too")  # noqa: FBT003 - a default
    roles: dict[ClassName, list[Words]] = given(
        "principal ids of who may attest for a role; whoever says so where a role is not named", default={}
    )
    deadline: Duration = usual(
        default_of(Checks, "deadline_ms"), TMINUS, "how long a launch that is ready waits for its checks"
    )
    then: Annotated[GateAction, one_of(GateAction)] = usual(
        default_of(Checks, "then"), TMINUS, "what follows then: hold or scrub"
    )
    items: dict[ItemName, CheckSection] = given("the handbook's by their id, and your own", default={})


def _in_a_word(value: object) -> object:
    if value == "off":
        return None
    return {} if value == "handbook" else value


OptionalChecks = Annotated[ChecksSection | None, BeforeValidator(_in_a_word)]
