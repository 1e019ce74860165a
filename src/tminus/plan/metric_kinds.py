"""The kinds of values that `metrics` holds, as types for its models. Must not know which key holds which."""

import re
from typing import Annotated

from tminus.plan.parse import flag_of, source_url_of
from tminus.plan.scalar import Scalar
from tminus.plan.statement import query_of

_NAME = r"[a-z][a-z0-9 -]{0,46}[a-z0-9]"


def _name_of(text: str) -> str:
    if not re.fullmatch(_NAME, text):
        raise ValueError(
            f"{str(text)!r} is not 2 to 48 lower-case letters, digits, spaces and hyphens, a letter first"
        )
    return str(text)


MetricName = Annotated[
    str,
    Scalar(
        "a name of lower-case letters, digits, spaces and hyphens",
        "declined payments",
        _name_of,
        code="plan-bad-name",
        schema={"type": "string", "pattern": f"^{_NAME}$"},
    ),
]
Query = Annotated[str, Scalar("a query", '"sum(up)"', query_of, code="plan-bad-metric")]
Flag = Annotated[
    bool,
    Scalar(
        "yes or no",
        "yes",
        flag_of,
        lambda flag: "yes" if flag else "no",
        schema={"enum": ["yes", "no", True, False]},
    ),
]
SourceUrl = Annotated[
    str,
    Scalar(
        "an http or https address, also with a query",
        "http://127.0.0.1:8080/stats?since=60",
        source_url_of,
        code="plan-bad-url",
        schema={"type": "string", "pattern": "^https?://[^\\s@#]+$"},
    ),
]
