"""Stands for stories: one that serves a first release, shared by all, and fresh ones."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tminus.testing.sample import BRISK, laid_over
from tminus.testing.stand import Stand
from tminus.testing.sweep import QUICK
from tminus.wiring import open_home

SAMPLE = Path(__file__).resolve().parents[2] / "examples" / "hello"
BASELINE: dict[str, Any] = {
    "lease": {"shift": "1s", "bake": "30s"},
    # How fast this machine answers is no part of any story, and it may have much else to do.
    "triggers": [
        {"error_rate": "1 %", "over": "1s", "min_requests": 5, "then": "rollback"},
        {"p95": "3s", "over": "1s", "min_requests": 5, "then": "rollback"},
    ],
}


@pytest.fixture(scope="session")
def _served() -> Iterator[Stand]:
    with _stand() as made:
        made.serve()
        yield made


@pytest.fixture
def stand(_served: Stand) -> Iterator[Stand]:
    """A service on its first release or a later one, and nobody who drives; agents end with the test."""
    yield _served
    _served.end_agents()


@pytest.fixture(scope="module")
def fresh() -> Iterator[Stand]:
    """A stand on which nothing was launched."""
    with _stand() as made:
        yield made


@contextlib.contextmanager
def _stand() -> Iterator[Stand]:
    # The system's folder for temporary files: sockets bear no long path.
    with tempfile.TemporaryDirectory(prefix="tm-") as folder:
        directory = Path(folder) / "s"
        plan = laid_over(laid_over(BRISK, QUICK), BASELINE)
        with Stand(open_home(directory / "home"), directory, SAMPLE, plan) as made:
            yield made
