"""Published tests and bounds: our reading of them meets their authors' numbers, and our formulas meet it."""

import math
from collections.abc import Callable

import pytest
from judging.published import burn_rate, maxsprt, mixtures, multinomial, quantiles

from tminus.domain.watch.evidence.detector import detector, log_mean
from tminus.domain.watch.evidence.grid import ODDS
from tminus.domain.watch.evidence.interval import bernoulli_cs
from tminus.domain.watch.evidence.kernel import TwoArms, count_above, errors_worse, share_above
from tminus.domain.watch.evidence.tally import Both, Tally

SHARES = (0.8, 0.2)
RATES = (math.exp(1.5), math.exp(2))


def _normal(s: float) -> float:
    return mixtures.normal_mixture(s, 100, 100)


def _beta_binomial(s: float) -> float:
    return mixtures.beta_binomial_mixture(s, 100, 100, 0.2, 0.8, one_sided=True)


def _two_sided_beta_binomial(s: float) -> float:
    return mixtures.beta_binomial_mixture(s, 100, 100, 0.2, 0.8, one_sided=False)


def _gamma_poisson(s: float) -> float:
    return mixtures.gamma_poisson_mixture(s, 100, 100, 2)


@pytest.mark.parametrize(
    ("mixture", "at_10", "bound"),
    [
        (_normal, -0.06502391, 27.66071),
        (_beta_binomial, -0.07134019, 28.41238),
        (_two_sided_beta_binomial, -0.6941012, 31.4308),
        (_gamma_poisson, -0.06991219, 30.1949),
    ],
)
def test_the_mixtures_are_the_published_ones(
    mixture: Callable[[float], float], at_10: float, bound: float
) -> None:
    """Howard and others (2021); numbers of `uniform_boundaries_unittest.cpp` in confseq 0.0.11."""
    assert mixture(10) == pytest.approx(at_10, abs=6e-8)
    assert mixtures.bound(mixture) == pytest.approx(bound, abs=6e-5)


def test_the_kernel_of_counts_with_the_published_prior_is_the_gamma_poisson_mixture() -> None:
    """The mixture of confseq 0.0.11 at s = 10, v = 100, c = 2: 30 events where a rate of 1 expects 25."""
    exposure, expected_per_case = 100, 0.25
    kernel = count_above(expected_per_case)
    shape = mixtures.gamma_prior(100, 2)
    step = 1e-3
    rates = [1 + step * (number + 0.5) for number in range(11_000)]
    weights = [math.exp((shape - 1) * math.log(rate) - shape * rate) for rate in rates]
    ours = type(kernel)(
        tuple(map(math.log, rates)), tuple((1 - rate) * expected_per_case for rate in rates)
    ).log_ratios(Both(Tally(30, exposure)))
    assert ours is not None
    evidence = math.fsum(w * math.exp(ratio) for w, ratio in zip(weights, ours, strict=True))
    assert math.log(evidence / math.fsum(weights)) == pytest.approx(-0.06991219, abs=1e-6)


@pytest.mark.parametrize(("bad", "total", "planned"), [(700, 1000, 100), (15, 50, 50), (3, 4000, 10_000)])
def test_the_ends_of_an_interval_are_where_the_published_mixture_rejects(
    bad: int, total: int, planned: int
) -> None:
    """Howard and others (2021), as in confseq 0.0.11: the two-sided mixture of a share reaches 1/alpha."""
    for share in bernoulli_cs(bad, total, mixtures.ALPHA, planned):
        spread = share * (1 - share)
        evidence = mixtures.beta_binomial_mixture(
            bad - share * total, spread * total, spread * planned, share, 1 - share, one_sided=False
        )
        assert evidence == pytest.approx(-math.log(mixtures.ALPHA), abs=1e-6)


def test_the_bound_of_a_whole_distribution_is_the_published_one() -> None:
    """Howard and Ramdas (2022), theorem 2; number of `uniform_boundaries_unittest.cpp` in confseq 0.0.11.

    It comes from two nested searches, whose ends the authors compare to 1e-5; ours is 0.08204779.
    """
    assert quantiles.lil_bound(1000, 0.05, 100, 0.85) == pytest.approx(0.08204769, abs=2e-7)
    assert quantiles.lil_bound(99, 0.05, 100, 0.85) == math.inf


@pytest.mark.parametrize(
    ("quantile", "shift", "p_value"),
    [(0.5, 70, 0.814704), (0.5, 85, 0.0838055), (0.5, 100, 0.0054947), (0.9, 55, 0.0340463)],
)
def test_the_p_value_of_a_shifted_quantile_is_the_published_one(
    quantile: float, shift: int, p_value: float
) -> None:
    """Howard and Ramdas (2022); numbers of `uniform_boundaries_unittest.cpp` in confseq 0.0.11."""
    values = range(1, 1001)
    shifted = range(1 + shift, 1001 + shift)
    assert quantiles.quantile_p_value(quantile, values, shifted, 100) == pytest.approx(p_value, abs=1e-6)
    assert quantiles.quantile_p_value(quantile, shifted, values, 100) == pytest.approx(p_value, abs=1e-6)


def _draws(shares: tuple[float, ...], number: int) -> list[list[int]]:
    """As the published examples draw: one case each, by numpy's old generator with a seed of 1."""
    np = pytest.importorskip("numpy", reason="its old generator draws the published series")
    np.random.seed(1)
    return [np.random.multinomial(1, shares).tolist() for _ in range(number)]


def _canary_draws(number: int) -> list[list[int]]:
    whole = sum(share * rate for share, rate in zip(SHARES, RATES, strict=True))
    return _draws(tuple(share * rate / whole for share, rate in zip(SHARES, RATES, strict=True)), number)


def test_the_multinomial_test_stops_where_it_was_published_to() -> None:
    """Lindon and Malek (2022); numbers asserted in the examples of savvi 0.3.1."""
    number, p_value, _ = multinomial.stop(_draws((0.1, 0.3, 0.6), 5000), [0.1, 0.4, 0.5])
    assert number == 402
    assert p_value == pytest.approx(0.04845591105969517, rel=1e-9)

    number, p_value, counts = multinomial.stop(_canary_draws(5000), SHARES)
    assert number == 210
    assert p_value == pytest.approx(0.045579631759249686, rel=1e-9)
    assert counts == [148, 62]


def test_the_contrast_of_two_rates_at_that_stop_is_the_published_one() -> None:
    """Lindon and Malek (2022); the confidence sequence of `delta` in the examples of savvi 0.3.1."""
    *earlier, last = multinomial.contrasts(_canary_draws(210), SHARES)
    assert last == pytest.approx((0.00464625, 0.75493987), abs=6e-9)
    assert all(low <= 0 for low, _ in earlier)


def test_the_two_arm_kernel_with_their_prior_has_their_p_value() -> None:
    """148 and 62 cases at exposures of 4 to 1, as Lindon and Malek (2022) in the examples of savvi 0.3.1."""
    cells = 20_000
    parts = [(number + 0.5) / cells for number in range(cells)]  # of the first arm, among all cases
    first, second = (multinomial.WEIGHT * share for share in SHARES)
    log_front = math.lgamma(first + second) - math.lgamma(first) - math.lgamma(second) - math.log(cells)
    odds = tuple(part / (1 - part) * SHARES[1] / SHARES[0] for part in parts)
    ours = TwoArms(1.0, odds).log_ratios(Both(Tally(148, 800), Tally(62, 200)))
    assert ours is not None
    evidence = math.fsum(
        math.exp(log_front + (first - 1) * math.log(part) + (second - 1) * math.log1p(-part) + ratio)
        for part, ratio in zip(parts, ours, strict=True)
    )
    assert 1 / evidence == pytest.approx(0.045579631759249686, rel=1e-6)


@pytest.mark.parametrize("ratio", [1.0, 1.5, 5.0])
@pytest.mark.parametrize(("candidate", "stable"), [((148, 800), (62, 200)), ((9, 50), (3, 950))])
def test_the_two_arm_kernel_is_their_test_at_one_alternative(
    ratio: float, candidate: tuple[int, int], stable: tuple[int, int]
) -> None:
    """Lindon and Malek (2022) with all weight of the mixture on one alternative, for each of ours."""
    kernel = errors_worse(ratio)
    ours = kernel.log_ratios(Both(Tally(*candidate), Tally(*stable)))
    assert ours is not None
    rho = candidate[1] / (candidate[1] + stable[1])
    expected = rho * ratio / (1 - rho + rho * ratio)
    for odds, mine in zip(kernel.odds, ours, strict=True):
        part = rho * odds / (1 - rho + rho * odds)
        theirs = multinomial.log_evidence(
            (candidate[0], stable[0]), (expected, 1 - expected), (1e15 * part, 1e15 * (1 - part))
        )
        assert mine == pytest.approx(theirs, abs=1e-8)


@pytest.mark.parametrize(("critical", "expected"), [(2.853937, 1), (3.467952, 10)])
def test_the_critical_values_of_maxsprt_spend_five_percent(critical: float, expected: float) -> None:
    """Kulldorff and others (2011)."""
    assert maxsprt.continuous_alpha(critical, expected) == pytest.approx(0.05, abs=1e-6)


def test_the_critical_value_of_maxsprt_in_groups_is_the_published_one() -> None:
    """Example of `computeCvPoisson` in EmpiricalCalibration's reference: 2.545177, which spends 0.044.

    Its chance is drawn; ours is exact, 0.04414. A signal is a value above the critical one: at it there
    would be too many.
    """
    groups = [1.0] * 10
    critical = maxsprt.grouped_critical(groups)
    assert critical == pytest.approx(2.545177, abs=5e-7)
    assert critical == pytest.approx(4 * math.log(4) - 3, abs=1e-12)  # the fourth event at the first look
    assert maxsprt.grouped_alpha(critical, groups) == pytest.approx(0.04414, abs=5e-6)
    assert maxsprt.grouped_alpha(critical, groups, strictly=False) > 0.05


@pytest.mark.parametrize("odds", ODDS)
def test_the_kernel_of_counts_is_maxsprt_where_an_alternative_fits_best(odds: float) -> None:
    """Kulldorff and others (2011): the largest ratio over all rates, which no rate of ours exceeds."""
    expected = 320
    events = round(odds * expected)
    assert events == odds * expected
    ours = count_above(0.5).log_ratios(Both(Tally(events, 2 * expected)))
    assert ours is not None
    assert max(ours) == ours[ODDS.index(odds)] == pytest.approx(maxsprt.log_ratio(events, expected), rel=1e-9)


@pytest.mark.parametrize(
    ("share", "before", "seconds"), [(0.05, 0.0, 1037), (0.05, 0.0005, 1011), (1.0, 0.0, 52)]
)
def test_a_burn_rate_pages_when_its_formula_says(share: float, before: float, seconds: int) -> None:
    """The Site Reliability Workbook, chapter 5: (14.4 · 0.1 % − before) / (share − before) of an hour."""
    assert math.ceil(burn_rate.seconds_to_page(share, before)) == seconds
    assert burn_rate.pages_after([share] * 1800, before) == seconds


def test_evidence_finds_in_a_minute_what_no_burn_rate_sees_in_half_an_hour() -> None:
    """2 of 100 requests a second instead of 0.05 %, limit 1 %; rules of the Site Reliability Workbook."""
    assert burn_rate.pages_after([0.02] * 1800, 0.0005) is None

    kernel = share_above(0.01)
    scale = detector(kernel.size, 1e-3, 10, 1.0, 10)
    logs, seconds = scale.begin(), 0
    while log_mean(logs) < scale.threshold:
        seconds += 1
        assert seconds <= 60
        logs = scale.step(logs, kernel.log_ratios(Both(Tally(2, 100))), seconds % 10 == 0)
