"""References to secrets. A value never lives here: only where the one who starts a step will find it."""

from dataclasses import dataclass
from enum import StrEnum


class SecretSource(StrEnum):
    """Where a secret's value is fetched at the moment of use."""

    ENV = "env"
    FILE = "file"
    COMMAND = "command"


@dataclass(frozen=True, slots=True)
class SecretRef:
    """`env:NAME`, `file:PATH` or `command:LINE`."""

    source: SecretSource
    locator: str

    def text(self) -> str:
        """The form written in a plan."""
        return f"{self.source.value}:{self.locator}"


def parse_secret_ref(text: str) -> SecretRef:
    """The reference written as `env:NAME`, `file:PATH` or `command:LINE`.

    Raises:
        ValueError: the text has another form; it might be the secret itself, so it is not repeated.
    """
    source, colon, locator = text.partition(":")
    if not colon or not locator or source not in {member.value for member in SecretSource}:
        raise ValueError("not a secret reference: write env:NAME, file:PATH or command:LINE, never the value")
    return SecretRef(SecretSource(source), locator)
