"""The simulated launches of `make bench-judge`: that they are the domain's, and a short run of targets."""

from dataclasses import replace

import pytest

np = pytest.importorskip("numpy", reason="numpy has no wheel for this Python yet")

from judging import agreement, delays, exact, targets, vector  # noqa: E402 - only where numpy is there
from judging.launches import ERRORS, hits, scale_of, seconds, traffic, usual  # noqa: E402 - as above
from judging.traffic import by_chance  # noqa: E402 - as above

from tminus.domain.watch.evidence.forecast import forecast  # noqa: E402 - as above
from tminus.domain.watch.evidence.kernel import share_above  # noqa: E402 - as above
from tminus.domain.watch.evidence.rules import Rules  # noqa: E402 - as above


def test_arrays_say_what_the_domain_says() -> None:
    for seed in range(3):
        assert agreement.largest_difference(np.random.default_rng(seed), 90) <= 1e-9


def test_a_difference_between_arrays_and_domain_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    true_ratios = vector.log_ratios
    monkeypatch.setattr(vector, "log_ratios", lambda kernel, block: true_ratios(kernel, block) * 1.0001)
    assert agreement.largest_difference(np.random.default_rng(0), 90) > 1e-9


@pytest.mark.req("R9")
@pytest.mark.parametrize(
    ("limit", "cases", "chance"),
    [
        (0.0005, 1_000_000, 4.2e-4),
        (0.001, 1_000_000, 4.4e-4),
        pytest.param(0.005, 1_000_000, 5.6e-4, marks=pytest.mark.slow),
        pytest.param(0.01, 1_000_000, 6.3e-4, marks=pytest.mark.slow),
        pytest.param(0.05, 200_000, 7.4e-4, marks=pytest.mark.slow),
    ],
)
def test_the_exact_chance_of_a_false_alarm_is_below_its_bound(
    limit: float, cases: int, chance: float
) -> None:
    assert exact.rate_false_alarms(limit, cases) == pytest.approx(chance, abs=0.06e-4)
    assert chance <= exact.ALPHA


@pytest.mark.req("R9")
@pytest.mark.parametrize(
    ("rho", "chance"),
    [
        (0.05, 6.6e-4),
        pytest.param(0.5, 9.0e-4, marks=pytest.mark.slow),
        pytest.param(0.95, 9.7e-4, marks=pytest.mark.slow),
    ],
)
def test_the_exact_chance_of_a_false_alarm_between_two_arms_is_below_its_bound(
    rho: float, chance: float
) -> None:
    assert exact.two_arm_false_alarms(rho, 20_000) == pytest.approx(chance, abs=0.06e-4)


def test_a_limit_that_is_broken_fires_in_the_exact_count() -> None:
    assert exact.false_alarms(share_above(0.01), 0.05, 2000) > 0.99


@pytest.mark.req("R9")
@pytest.mark.parametrize(
    ("limit", "share", "whole", "usual"),
    [
        (0.0005, 0.01, 468, 487),
        (0.001, 0.005, 2292, 2390),
        (0.001, 0.05, 67, 69),
        (0.005, 0.02, 707, 737),
        (0.01, 0.02, 2271, 2366),
        (0.01, 0.05, 218, 227),
        (0.01, 1.0, 2, 2),
    ],
)
def test_a_regression_takes_so_many_requests_to_be_seen(
    limit: float, share: float, whole: int, usual: int
) -> None:
    row = delays.rate_row(np.random.default_rng(1), limit, share, 8000)
    assert row.whole == pytest.approx(whole, rel=0.03)
    assert row.usual == pytest.approx(usual, rel=0.03)


@pytest.mark.req("R9")
@pytest.mark.parametrize(
    ("stable", "candidate", "rho", "bound", "whole"),
    [
        (0.0005, 0.01, 0.05, 407, 516),
        (0.0005, 0.01, 0.5, 1306, 1474),
        (0.0005, 0.01, 0.9, 8205, 9152),
        (0.01, 0.02, 0.5, 4006, 4898),
    ],
)
def test_a_candidate_worse_than_stable_takes_so_many_requests_to_be_seen(
    stable: float, candidate: float, rho: float, bound: int, whole: int
) -> None:
    row = delays.two_arm_row(np.random.default_rng(1), stable, candidate, rho, 8000)
    assert row.bound == pytest.approx(bound, rel=0.002)
    assert row.whole == pytest.approx(whole, rel=0.03)


@pytest.mark.slow
@pytest.mark.req("R9")
@pytest.mark.parametrize(
    "part", [targets.false_alarms, targets.robustness, targets.outages, targets.comparisons]
)
def test_a_short_run_keeps_its_targets(part) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 - one of four
    found = part(np.random.default_rng([7, 1]), replace(targets.SHORT, launches=100, robust=40))
    assert [target for target in found if not target.kept] == []


@pytest.mark.slow
def test_a_candidate_over_its_limit_is_not_taken_for_a_false_alarm() -> None:
    bad = by_chance(np.random.default_rng(1), 50, 300, 100, 0.05)
    assert hits(seconds(scale_of(ERRORS, 10), traffic(bad, 100))) == 50


@pytest.mark.req("R9")
@pytest.mark.parametrize(("per_s", "share"), [(100, 0.02), (100, 0.05), (10, 0.05), (100, 1.0), (1000, 0.02)])
def test_a_forecast_is_what_simulated_launches_take(per_s: int, share: float) -> None:
    scale = usual(ERRORS)
    bad = by_chance(np.random.default_rng(1), 200, 400, per_s, share)
    found = seconds(scale, traffic(bad, per_s))
    foreseen = forecast(Rules((ERRORS,)), "errors", per_s * 1000, 60_000)
    after_ms = {delay.share_ppm: delay.after_ms for delay in foreseen.delays}[round(share * 1e6)]
    assert after_ms == pytest.approx(1000 * float(found.mean()), rel=0.15)
