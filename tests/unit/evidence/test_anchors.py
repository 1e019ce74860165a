"""Numbers that the detectors must meet exactly, so that no change of formula goes unseen."""

import math

import pytest

from tminus.domain.watch.evidence.clean_run import clean_run
from tminus.domain.watch.evidence.detector import detector, log_mean
from tminus.domain.watch.evidence.grid import worse
from tminus.domain.watch.evidence.kernel import share_above
from tminus.domain.watch.evidence.tally import Both, Tally

ALPHA = 1e-3


def _fires(limit: float, bad: int, total: int) -> bool:
    """Whether so many bad of so many requests in one block fire at once."""
    kernel = share_above(limit)
    scale = detector(kernel.size, ALPHA, 1, 1.0, 10)
    logs = scale.step(scale.begin(), kernel.log_ratios(Both(Tally(bad, total))))
    return log_mean(logs) >= scale.threshold


@pytest.mark.req("R9")
@pytest.mark.parametrize(
    ("limit", "bad", "most"),
    [
        (0.01, 3, 7),
        (0.01, 5, 34),
        (0.01, 10, 174),
        (0.005, 3, 12),
        (0.005, 5, 64),
        (0.005, 10, 341),
        (0.001, 3, 54),
        (0.001, 5, 303),
        (0.001, 10, 1654),
        (0.05, 5, 8),
        (0.05, 10, 39),
    ],
)
def test_so_many_errors_fire_among_so_few_requests_and_no_more(limit: float, bad: int, most: int) -> None:
    assert _fires(limit, bad, most)
    assert not _fires(limit, bad, most + 1)


@pytest.mark.req("R9")
@pytest.mark.parametrize(("limit", "straight"), [(0.01, 2), (0.005, 2), (0.001, 2), (0.05, 4)])
def test_straight_failures_fire(limit: float, straight: int) -> None:
    assert _fires(limit, straight, straight)
    assert not _fires(limit, straight - 1, straight - 1)


@pytest.mark.parametrize(("limit", "size"), [(0.01, 8), (0.0005, 11), (0.4, 2)])
def test_the_grid_reaches_from_just_above_the_limit_to_nearly_all(limit: float, size: int) -> None:
    shares = worse(limit)
    assert len(shares) == size
    assert shares[0] == pytest.approx(1.2 * limit)
    assert shares[-1] == 0.95
    assert list(shares) == sorted(set(shares))


@pytest.mark.parametrize("limit", [0, 0.95, 1])
def test_a_limit_with_nothing_above_it_is_refused(limit: float) -> None:
    with pytest.raises(ValueError, match="leaves nothing above it"):
        worse(limit)


@pytest.mark.parametrize(("limit", "requests"), [(0.01, 553), (0.005, 1109), (0.001, 5554)])
def test_a_pass_takes_so_many_requests_without_an_error(limit: float, requests: int) -> None:
    assert clean_run(limit) == requests


@pytest.mark.parametrize(
    ("share", "limit", "divergence"),
    [
        (0.01, 0.0005, 0.020503),
        (0.02, 0.01, 0.003914),
        (0.05, 0.01, 0.041291),
        (0.005, 0.001, 0.004055),
    ],
)
def test_the_mean_of_a_request_is_the_divergence(share: float, limit: float, divergence: float) -> None:
    kernel = share_above(limit)
    good = kernel.per_case
    bad = tuple(a + b for a, b in zip(kernel.per_bad, good, strict=True))
    # The best alternative gains no more per request than the divergence of the true share, and the grid is
    # dense enough to come within a fifth of it.
    best = max(share * b + (1 - share) * g for b, g in zip(bad, good, strict=True))
    exact = share * math.log(share / limit) + (1 - share) * math.log((1 - share) / (1 - limit))
    assert exact == pytest.approx(divergence, abs=1e-6)
    assert 0.8 * exact <= best <= exact
