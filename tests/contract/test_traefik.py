"""Traefik as router: the port's contract on the real one, and what only a real one can get wrong."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dataplane.harness import PlaneHarness
from tminus.adapters.traefik.binary import find_binary
from tminus.adapters.traefik.capabilities import CAPABILITIES
from tminus.ports.fault import Refused
from tminus.testing.contract.router import (
    DrainContract,
    ForgettingContract,
    RouterHarness,
    StickyContract,
    passes_what_it_says,
)

pytestmark = pytest.mark.integration


@pytest.fixture
def real(tmp_path: Path) -> Iterator[PlaneHarness]:
    try:
        find_binary()
    except Refused as refusal:
        pytest.skip(refusal.why)
    harness = PlaneHarness(tmp_path, "traefik")
    yield harness
    harness.close()


class TestTraefik(ForgettingContract, DrainContract, StickyContract):
    @pytest.fixture
    def harness(self, real: PlaneHarness) -> RouterHarness:
        return real


def test_it_can_do_what_it_says() -> None:
    passes_what_it_says(TestTraefik, CAPABILITIES)
