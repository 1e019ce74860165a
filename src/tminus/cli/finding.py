"""What the doctor found: one line each. Must not look for anything."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a finding stands: fine, worth knowing, or in the way of a launch."""

    OK = "ok"
    WARN = "warn"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report; `fix` is empty when all is well."""

    name: str
    state: State
    what: str
    fix: str = ""
