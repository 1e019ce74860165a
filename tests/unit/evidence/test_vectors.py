"""Published numbers: of intervals that people are shown, and of the functions that they are made of."""

import pytest

from tminus.domain.watch.evidence.beta import beta_quantile, beta_share, upper_bound
from tminus.domain.watch.evidence.interval import bernoulli_cs, percentile_interval_ms, share_interval_ppm


@pytest.mark.req("R10")
@pytest.mark.parametrize(
    ("bad", "total", "planned", "low", "high"),
    [
        (700, 1000, 100, 0.651629, 0.745949),
        (15, 50, 50, 0.129556, 0.511896),
        (5, 50, 50, 0.013021, 0.269264),
        (1, 50, 50, 0.0, 0.13489),
        (100, 200, 1, 0.328923, 0.671076),
        (1, 2, 1, 0.0, 1.0),
    ],
)
def test_the_interval_of_a_share_is_the_published_one(
    bad: int, total: int, planned: int, low: float, high: float
) -> None:
    assert bernoulli_cs(bad, total, 0.05, planned) == pytest.approx((low, high), abs=2e-6)


def test_an_interval_in_parts_per_million_is_rounded_outwards() -> None:
    assert share_interval_ppm(700, 1000, 100) == (651_629, 745_950)


def test_an_interval_reaches_the_end_where_nothing_speaks_against_it() -> None:
    assert bernoulli_cs(0, 50)[0] == 0.0
    assert bernoulli_cs(50, 50)[1] == 1.0


def test_a_percentile_lies_between_edges_that_are_certainly_below_and_above() -> None:
    edges_ms = (100, 200, 300, 500, 1000)
    assert percentile_interval_ms((500, 900, 940, 990, 1000), 1000, edges_ms) == (200, 500)
    assert percentile_interval_ms((5, 9, 10, 10, 10), 10, edges_ms) == (None, None)
    assert percentile_interval_ms((0,) * 5, 0, edges_ms) == (None, None)
    assert percentile_interval_ms((0, 0, 0, 0, 0), 1000, edges_ms) == (1000, None)


@pytest.mark.parametrize(
    ("total", "bad", "times", "tolerance"),
    [(1_000_000, 500, 1.2, 0.05), (100_000, 50, 1.6, 0.05), (10_000, 5, 3.9, 0.05), (1_000, 0, 18, 0.5)],
)
def test_a_smaller_baseline_bounds_less(total: int, bad: int, times: float, tolerance: float) -> None:
    assert upper_bound(bad, total, 1e-4) / 0.0005 == pytest.approx(times, abs=tolerance)


@pytest.mark.parametrize(
    ("x", "a", "b", "share"),
    [
        (0.5, 2, 3, 0.6875),  # 1 - (1-x)^4 (1+4x) with x = 1/2, from the binomial sum
        (0.1, 1, 1, 0.1),
        (0.25, 0.5, 0.5, 1 / 3),  # the arcsine law: 2/pi asin(sqrt(x))
        (0.9, 5, 1, 0.9**5),
        (0.0, 2, 2, 0.0),
        (1.0, 2, 2, 1.0),
    ],
)
def test_the_beta_distribution_where_it_is_known_in_closed_form(
    x: float, a: float, b: float, share: float
) -> None:
    assert beta_share(x, a, b) == pytest.approx(share, rel=1e-12)
    if 0 < x < 1:
        assert beta_quantile(share, a, b) == pytest.approx(x, rel=1e-12)
