"""What every verb has in common at the terminal."""

from collections.abc import Mapping
from typing import Any

HELP_OPTIONS: Mapping[str, Any] = {"help_option_names": ["-h", "--help"]}
"""Asked for help in the same words, a verb answers in the same words, alone or under `tminus`."""
