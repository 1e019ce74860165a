"""A probe asked as a launch would ask it; whatever it answers must be evidence that can be kept."""

import tempfile
from pathlib import Path
from typing import Any

from tminus.domain.readiness.answer import Answer
from tminus.ports.probes import ProbeKind, Target
from tminus.testing.contract.probes import MARKER, around, check_answer

LIMIT_MS = 20_000  # on a machine that others use too; what is asked here takes milliseconds


def ask(
    kind: ProbeKind,
    settings: Any,  # noqa: ANN401 - each kind has its own class
    target: Target | None = None,
    secret: str = MARKER,
    limit_ms: int = LIMIT_MS,
) -> Answer:
    with tempfile.TemporaryDirectory() as folder:
        answer = kind.ask(settings, around(Path(folder), target, secret), limit_ms)
    check_answer(answer)
    return answer


def told(answer: Answer) -> tuple[str, str]:
    """Verdict and sentence."""
    return answer.outcome.value, answer.why


def fact(answer: Answer, name: str) -> int:
    return dict(answer.facts)[name]
