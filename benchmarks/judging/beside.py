"""The judge beside threshold rules: the same launches, rolled back by each."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from bench import table
from judging.delays import divergence, two_arm_bound
from judging.launches import (
    AGAINST,
    ALPHA,
    ERRORS,
    LAUNCH_S,
    Traffic,
    hits,
    seconds,
    together,
    traffic,
    usual,
)
from judging.practice import LIMIT, argo, flagger, kayenta, ten_seconds
from judging.traffic import HEALTHY, by_chance, dispersions
from judging.vector import Array

Rule = Callable[[Traffic, Array], Array]

RULES: Mapping[str, Rule] = {
    "Argo 60 s, limit 0": lambda launched, _: argo(launched, 0),
    "Argo 60 s, limit 3": lambda launched, _: argo(launched, 3),
    "Flagger 60 s, 5": lambda launched, _: flagger(launched),
    "10 s, 5": lambda launched, _: ten_seconds(launched),
    "Kayenta 5 min": lambda launched, _: kayenta(launched),
    "rate": lambda launched, dispersion: seconds(usual(ERRORS), launched, dispersion),
    "against stable": lambda launched, dispersion: seconds(usual(AGAINST), launched, dispersion),
    "both": together,
}


@dataclass(frozen=True)
class Tables:
    """How many launches stand behind a cell."""

    healthy: int
    broken: int


FULL_TABLES = Tables(1_000, 300)
QUICK_TABLES = Tables(100, 40)


def false_table(seed: int, sizes: Tables) -> str:
    """Healthy launches that are rolled back, by rule."""
    rows = []
    for per_s in (10, 100, 1000):
        for share in (0.001, 0.005, 0.009):
            rng = np.random.default_rng([seed, per_s, round(share * 1e4)])
            launched, dispersion = _launches(rng, sizes.healthy, per_s, share, share)
            counts = (hits(rule(launched, dispersion)) for rule in RULES.values())
            rows.append(
                (f"{per_s}/s, {share:.1%}", *(f"{100 * count / sizes.healthy:.1f}" for count in counts))
            )
    header = (f"% of {sizes.healthy} healthy launches rolled back", *RULES)
    return table(header, rows)


def delays_table(seed: int, sizes: Tables) -> str:
    """Mean seconds from a regression's beginning to its rollback, by rule, beside Wald's bounds."""
    rows = []
    for per_s in (10, 100, 1000):
        for share in (0.01, 0.02, 0.05, 1.0):
            rng = np.random.default_rng([seed, per_s, round(share * 1e4), 1])
            launched, dispersion = _launches(rng, sizes.broken, per_s, HEALTHY, share)
            cells = [_cell(rule(launched, dispersion)) for rule in RULES.values()]
            rows.append((f"{per_s}/s, 0.05 % -> {share:.0%}", *cells, *_bounds(per_s, share)))
    header = ("seconds to rollback (% found)", *RULES, "bound, rate", "bound, against")
    return table(header, rows)


def _launches(
    rng: np.random.Generator, launches: int, per_s: int, healthy: float, share: float
) -> tuple[Traffic, Array]:
    """Both arms at the same rate, and the dispersion of half an hour before."""
    bad = by_chance(rng, launches, LAUNCH_S, per_s, share)
    others = by_chance(rng, launches, LAUNCH_S, per_s, healthy)
    dispersion = dispersions(by_chance(rng, launches, LAUNCH_S, per_s, healthy))
    return traffic(bad, per_s, others), dispersion


def _cell(found: Array) -> str:
    count = hits(found)
    if not count:
        return "never"
    mean = float(np.nanmean(found))
    return f"{mean:.0f}" if count == len(found) else f"{mean:.0f} ({100 * count / len(found):.0f} %)"


def _bounds(per_s: int, share: float) -> tuple[str, str]:
    rate = -math.log(ALPHA) / divergence(share, LIMIT) / per_s if share > LIMIT else math.inf
    against = two_arm_bound(HEALTHY, share, 0.5) / per_s
    return ("-" if math.isinf(rate) else f"{rate:.1f}", f"{against:.1f}")
