"""`judge` of launch.yaml: on what terms limits without a window are judged. Must not judge anything."""

import re
from decimal import Decimal
from typing import Annotated, Self

from pydantic import BeforeValidator, model_validator

from tminus.domain.plan.judging import Judging, Mode, OnUnderpowered
from tminus.plan.kinds import Duration, Percentage, one_of
from tminus.plan.parse import count_of
from tminus.plan.scalar import Scalar, complaint
from tminus.plan.section import TMINUS, Section, default_of, usual

_MILLI = 1000
_MOST_SECONDS = 60  # what takes longer to believe is no protection any more
_MOST_BUDGET_PPM = 200_000  # a fifth: beyond it a coin would do

_TIMES = re.compile(r"[0-9]{1,2}(\.[0-9]{1,3})?")


def times_of(text: str) -> int:
    """`1.5x` in thousandths."""
    number = text.removesuffix("x").rstrip()
    if not text.endswith("x") or not _TIMES.fullmatch(number):
        raise ValueError(f"{str(text)!r} is no number of times")
    milli = int(Decimal(number) * _MILLI)
    if milli < _MILLI:
        raise ValueError(f"{text!s} is less than 1x, which a candidate as good as stable could not keep")
    return milli


def show_times(milli: int) -> str:
    """`1.5x` for 1500."""
    return f"{(Decimal(milli) / _MILLI).normalize():f}x"


_Times = Annotated[
    int,
    Scalar(
        "a number of times",
        "1.5x",
        times_of,
        show_times,
        schema={"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?\s*x$", "examples": ["1.5x"]},
    ),
]
_Seconds = Annotated[
    int,
    Scalar(
        "a whole number",
        str(default_of(Judging, "bad_seconds")),
        lambda text: count_of(text, _MOST_SECONDS),
        schema={"type": "integer", "minimum": 1, "maximum": _MOST_SECONDS},
    ),
]
_OR_OFF = BeforeValidator(lambda value: None if value == "off" else value)


class JudgeSection(Section):
    """How limits without a window (`over`) are judged: by evidence, with bounds on how often it errs."""

    mode: Annotated[Mode, one_of(Mode)] = usual(
        default_of(Judging, "mode"),
        TMINUS,
        "default, or strict: slower, and proven also where failures come in clusters of seconds",
    )
    error_budget: Percentage = usual(
        default_of(Judging, "error_budget_ppm"),
        TMINUS,
        "chance that a launch within its limits is rolled back",
    )
    alert_budget: Percentage = usual(
        default_of(Judging, "alert_budget_ppm"), TMINUS, "chance that one within its alert limits alerts"
    )
    pass_budget: Percentage = usual(
        default_of(Judging, "pass_ppm"), TMINUS, "chance that a candidate at its limit passes"
    )
    relative: Annotated[_Times | None, _OR_OFF] = usual(
        default_of(Judging, "relative_milli"),
        TMINUS,
        "a candidate is compared with stable too, and rolled back beyond so many times its odds; or `off`",
        shown=show_times(default_of(Judging, "relative_milli")),
    )
    bad_seconds: _Seconds = usual(
        default_of(Judging, "bad_seconds"),
        TMINUS,
        "fewest seconds that a rollback rests on; a third of it is forgiven as a blip",
    )
    burn_in: Duration = usual(
        default_of(Judging, "burn_in_ms"), TMINUS, "answer times are not judged for so long: caches are cold"
    )
    on_underpowered: Annotated[OnUnderpowered, one_of(OnUnderpowered)] = usual(
        default_of(Judging, "on_underpowered"),
        TMINUS,
        "when traffic is too little for a pass: hold at the deadline, ask at once, or extend the step",
    )

    @model_validator(mode="after")
    def _budgets(self) -> Self:
        for key in ("error_budget", "alert_budget", "pass_budget"):
            if getattr(self, key) > _MOST_BUDGET_PPM:
                what = f" has an `{key}` above 20 %, which decides by luck"
                raise complaint("plan-bad-value", what, "write a small one, such as 0.1 %")
        return self


def judging_of(section: JudgeSection) -> Judging:
    """The domain's value."""
    return Judging(
        mode=section.mode,
        error_budget_ppm=section.error_budget,
        alert_budget_ppm=section.alert_budget,
        pass_ppm=section.pass_budget,
        relative_milli=section.relative,
        bad_seconds=section.bad_seconds,
        burn_in_ms=section.burn_in,
        on_underpowered=section.on_underpowered,
    )
