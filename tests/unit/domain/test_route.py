import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tminus.domain.launch.reading import Distrust, RouterReading
from tminus.domain.launch.route import FULL_BP, Route, Watch
from tminus.domain.launch.slot import Slot

BLUE, GREEN = Slot.BLUE, Slot.GREEN
SLOTS = st.none() | st.sampled_from(Slot)


def trials() -> st.SearchStrategy[Route]:
    """Every route with a stable slot behind its candidate."""
    shares, watches = st.integers(0, FULL_BP), st.sampled_from(Watch)
    return st.builds(
        lambda live, share, watch: Route(live, live.other, share, watch),
        st.sampled_from(Slot),
        shares,
        watches,
    )


@settings(deadline=None)  # a busy machine is no failure
@given(trials())
def test_shares_sum_to_all_of_the_traffic(route: Route) -> None:
    assert sum(route.share_bp(slot) for slot in Slot) == FULL_BP


@settings(deadline=None)  # a busy machine is no failure
@given(trials(), st.sampled_from([each for each in Distrust if each is not Distrust.NONE]))
def test_a_distrusted_candidate_is_served_nothing_and_live_everything(
    route: Route, distrust: Distrust
) -> None:
    assert route.live is not None
    reading = RouterReading(route, route, distrust)
    assert (reading.serves_bp(route.live), reading.serves_bp(route.live.other)) == (FULL_BP, 0)


def test_a_trusted_candidate_is_served_its_share() -> None:
    route = Route(BLUE, GREEN, 1_000)
    reading = RouterReading(route, Route(BLUE))
    assert (reading.serves_bp(BLUE), reading.serves_bp(GREEN)) == (9_000, 1_000)


def test_a_distrusted_candidate_without_a_live_slot_leaves_nobody() -> None:
    reading = RouterReading(Route(None, GREEN, FULL_BP), Route(None), Distrust.DOWN)
    assert [reading.serves_bp(slot) for slot in Slot] == [0, 0]


def test_a_route_to_nobody_serves_nobody() -> None:
    assert [Route(None).share_bp(slot) for slot in Slot] == [0, 0]


@pytest.mark.parametrize("share_bp", [-1, FULL_BP + 1])
def test_a_share_beyond_all_or_nothing_is_refused(share_bp: int) -> None:
    with pytest.raises(ValueError, match=rf"^candidate_bp {share_bp} is outside 0\.\.10000$"):
        Route(BLUE, GREEN, share_bp)


@pytest.mark.parametrize("route", [{"candidate_bp": 1}, {"watch": Watch.SHORT}])
def test_a_share_or_a_watch_needs_a_candidate(route: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"^a share or a watch without a candidate$"):
        Route(BLUE, **route)  # type: ignore[arg-type]  # one field each, of its own type


def test_one_slot_cannot_have_both_roles() -> None:
    with pytest.raises(ValueError, match=r"^live and candidate are the same slot$"):
        Route(BLUE, BLUE)


def test_the_same_decision_may_have_another_writer() -> None:
    route = Route(BLUE, GREEN, 1_000, Watch.SHORT, 3, epoch=1)
    assert route.same_decision(Route(BLUE, GREEN, 1_000, Watch.SHORT, 3, epoch=9))


@pytest.mark.parametrize(
    "other",
    [
        Route(GREEN, BLUE, 1_000, Watch.SHORT, 3),
        Route(BLUE, GREEN, 999, Watch.SHORT, 3),
        Route(BLUE, GREEN, 1_000, Watch.PATIENT, 3),
        Route(BLUE, GREEN, 1_000, Watch.SHORT, 4),
        Route(BLUE, None, 0, Watch.NONE, 3),
    ],
)
def test_another_place_share_watch_or_generation_is_another_decision(other: Route) -> None:
    assert not Route(BLUE, GREEN, 1_000, Watch.SHORT, 3).same_decision(other)


@pytest.mark.parametrize(
    ("route", "text"),
    [
        (Route(BLUE), "blue 100 %"),
        (Route(BLUE, GREEN, 1_000), "blue 90 %, green 10 %"),
        (Route(BLUE, GREEN, 5), "blue 99.95 %, green 0.05 %"),
        (Route(BLUE, GREEN, 50), "blue 99.5 %, green 0.5 %"),
        (Route(BLUE, GREEN, FULL_BP), "green 100 %"),
        (Route(None), "nowhere"),
    ],
)
def test_a_route_is_told_by_its_shares(route: Route, text: str) -> None:
    assert route.text() == text


def test_the_other_slot_of_the_other_is_the_same() -> None:
    assert [slot.other for slot in Slot] == [GREEN, BLUE]
