"""What every section of launch.yaml is made of: its base, and how a key is declared. Must not name a key."""

import dataclasses
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

TMINUS = "tminus"  # the source of defaults that the handbook says nothing about
HANDBOOK = "handbook"


def given(description: str, **more: Any) -> Any:  # noqa: ANN401 - as pydantic's own Field
    """A key that the plan must give, or whose default depends on others."""
    return Field(description=description, **more)


def usual(default: object, source: str, description: str, *, shown: str = "", **more: Any) -> Any:  # noqa: ANN401 - as above
    """A key with a default: where it comes from, and how it is shown when its text says too little."""
    extra: dict[str, Any] = {"x-default-from": source, "x-shown": shown}
    return Field(default=default, description=description, json_schema_extra=extra, **more)


def default_of(cls: type, name: str) -> Any:  # noqa: ANN401 - of the field's type
    """The default of a domain value's field."""
    return next(each.default for each in dataclasses.fields(cls) if each.name == name)


class Section(BaseModel):
    """A mapping of the plan. Unknown keys are mistakes, and inputs never enter an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
