"""A part of the crash sweep on the real parts: one point of each sort. `make crash-sweep` has them all."""

import pytest

from tminus.testing.stand import Stand
from tminus.testing.sweep import Case, cases, try_case

pytestmark = [pytest.mark.integration, pytest.mark.slow]

CHOSEN = (
    "good amid:start_slot",
    "good amid:commit_route",
    "good after:command-intended=write-route",
    "bad before:protected",
    "weighed after:evidence-weighed",
    "checked after:check-excused",
)


@pytest.mark.req("R26")
@pytest.mark.parametrize(
    "case", [case for case in cases() if case.name in CHOSEN], ids=lambda case: case.name
)
def test_a_launch_whose_driver_was_killed_ends_safely(stand: Stand, case: Case) -> None:
    finding = try_case(stand, case)
    assert finding.wrong == ()
    assert finding.outcome in ("promoted", "rolled-back")


def test_every_chosen_point_exists() -> None:
    assert {case.name for case in cases()} >= set(CHOSEN)
