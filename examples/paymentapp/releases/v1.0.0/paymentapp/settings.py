"""What the environment says: which database, and what to write beside every row."""

import os
from dataclasses import dataclass, field

from paymentapp.release import RELEASE


@dataclass(frozen=True, slots=True)
class Settings:
    """`version` and `slot` stand in every row, so that one slot's payments can be told from the other's."""

    database_url: str = field(repr=False)
    version: str
    slot: str
    port: str


def from_environment(port: str = "") -> Settings:
    return Settings(
        os.environ["DATABASE_URL"],
        os.environ.get("TMINUS_VERSION", RELEASE),
        os.environ.get("TMINUS_SLOT", ""),
        port or os.environ.get("PORT", ""),
    )
