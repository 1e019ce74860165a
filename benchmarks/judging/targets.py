"""The targets A to F: what the statistics must keep, each with the figure that was measured."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from judging.delays import latency_requests, rate_row, two_arm_row
from judging.exact import highest_mean, rate_false_alarms, two_arm_false_alarms
from judging.launches import (
    AGAINST,
    ALPHA,
    ERRORS,
    LAUNCH_S,
    STRICT_AGAINST,
    STRICT_ERRORS,
    Traffic,
    hits,
    scale_of,
    seconds,
    together,
    traffic,
    usual,
    without_restarts,
)
from judging.traffic import HEALTHY, Process, by_chance, dispersions, drawn
from judging.vector import Array

from tminus.domain.watch.evidence.kernel import errors_worse
from tminus.domain.watch.evidence.rules import STRICT_BLOCK_MS, TEMPER, Rules, Scale

PER_S = 100
STRICT_S = STRICT_BLOCK_MS // 1000


@dataclass(frozen=True)
class Target:
    """One requirement: what was measured and whether it is kept."""

    letter: str
    what: str
    figure: str
    bound: str
    kept: bool


@dataclass(frozen=True)
class Sizes:
    """How much is simulated."""

    launches: int
    robust: int
    delays: int
    cases: int


FULL = Sizes(20_000, 1_000, 10_000, 1_000_000)
QUICK = Sizes(2_000, 200, 10_000, 50_000)
SHORT = Sizes(200, 60, 2_000, 10_000)


def most_hits(launches: int, share: float) -> int:
    """The most that 99 of 100 runs have whose launches are rolled back with a chance of `share`."""
    mean = launches * share
    count, chance = 0, math.exp(-mean)
    whole = chance
    while whole < 0.99:
        count += 1
        chance *= mean / count
        whole += chance
    return count


def _at_most(
    letter: str, what: str, count: int, launches: int, share: float, *, proven: bool = False
) -> Target:
    """Hits of many launches. What is proven may have what chance adds, what is only measured may not."""
    lenient = proven or launches < FULL.robust
    most = most_hits(launches, share) if lenient else int(launches * share)
    return Target(letter, what, f"{count} of {launches}", f"<= {most}", count <= most)


def _below(letter: str, what: str, figure: float, bound: float, unit: str = "") -> Target:
    return Target(letter, what, f"{figure:.4g}{unit}", f"<= {bound:g}{unit}", figure <= bound)


def _noted(letter: str, what: str, figure: str) -> Target:
    """What is measured and promised by nobody."""
    return Target(letter, what, figure, "no target", kept=True)


def false_alarms(rng: np.random.Generator, sizes: Sizes) -> list[Target]:
    """A: launches exactly at the limit, or with both arms alike, by chance alone."""
    step = min(sizes.launches, 2_000)
    counts: dict[str, int] = {}
    for _ in range(sizes.launches // step):
        bad = by_chance(rng, step, LAUNCH_S, PER_S, ERRORS_AT)
        both = traffic(bad, PER_S, by_chance(rng, step, LAUNCH_S, PER_S, ERRORS_AT))
        for name, found in (
            ("rate at its limit, usual", seconds(usual(ERRORS), both)),
            ("rate at its limit, 3 blocks, not tempered", seconds(scale_of(ERRORS, 3), both)),
            ("against stable, both alike, usual", seconds(usual(AGAINST), both)),
            ("against stable, both alike, 3 blocks, not tempered", seconds(scale_of(AGAINST, 3), both)),
            ("both in one budget", together(both, np.ones(step))),
        ):
            counts[name] = counts.get(name, 0) + hits(found)
    return [_at_most("A", name, count, sizes.launches, ALPHA, proven=True) for name, count in counts.items()]


ERRORS_AT = ERRORS.limit / 1_000_000 if ERRORS.limit else 0.0


def exact(rng: np.random.Generator, sizes: Sizes) -> list[Target]:
    """B: chances of a false alarm without drawing, looking after every request, and means of factors."""
    targets = [
        _below(
            "B",
            f"chance of a false alarm at {limit:.2%}, {cases} requests",
            rate_false_alarms(limit, cases),
            ALPHA,
        )
        for limit, cases in (
            (0.0005, sizes.cases),
            (0.001, sizes.cases),
            (0.005, sizes.cases),
            (0.01, sizes.cases),
            (0.05, sizes.cases // 5),
        )
    ]
    errors = sizes.cases // 50
    targets += [
        _below(
            "B",
            f"chance of a false alarm, both arms alike, {rho:.0%} on the candidate, {errors} errors",
            two_arm_false_alarms(rho, errors),
            ALPHA,
        )
        for rho in (0.05, 0.5, 0.95)
    ]
    highest = 0.0
    for ratio in (1.0, 1.5, 2.0, 5.0):
        for _ in range(100):
            candidate, stable = (int(count) for count in rng.integers(1, 400, 2))
            errors = int(rng.integers(1, min(60, candidate + stable) + 1))
            highest = max(highest, highest_mean(errors_worse(ratio), candidate, stable, errors))
    targets.append(
        Target(
            "B",
            "highest mean of a factor, 400 designs",
            f"1 + {highest - 1:.1e}",
            "<= 1 + 1e-12",
            highest <= 1 + 1e-12,
        )
    )
    return targets


def efficiency(rng: np.random.Generator, sizes: Sizes) -> list[Target]:
    """C: mean delay beside Wald's bound and beside the test that knows the size of the regression."""
    worst = dict.fromkeys(("whole", "usual", "small", "oracle", "near"), 0.0)
    for limit in (0.0005, 0.001, 0.005, 0.01):
        for times in (1.2, 1.5, 2, 3, 5, 10, 20, 50):
            # The rarest bad cases take longest; a worst case over many cells must not be one of chance.
            launches = sizes.delays if times < 2 else 4 * sizes.delays
            row = rate_row(rng, limit, limit * times, launches)
            worst["whole"] = max(worst["whole"], row.whole / row.bound)
            worst["usual"] = max(worst["usual"], row.usual / row.bound)
            known = "oracle" if times >= 2 else "near"
            worst[known] = max(worst[known], row.whole / row.oracle)
            if limit >= 0.005 and times <= 10:
                worst["small"] = max(worst["small"], row.whole / row.bound)
    return [
        _below("C", "delay over Wald's bound, all weight at the start", worst["whole"], 1.5),
        _below("C", "the same, usual weight", worst["usual"], 1.55),
        _below("C", "the same, limit from 0.5 %, up to ten times", worst["small"], 1.35),
        _below("C", "delay over the test that knows the share, from twice the limit", worst["oracle"], 1.3),
        _below("C", "the same, below twice the limit", worst["near"], 1.35),
    ]


def onset(
    rng: np.random.Generator, launches: int, per_s: int, share: float, begins_s: int, lasts_s: int
) -> Traffic:
    """Launches that are healthy until a moment, and bad with `share` from then on."""
    shares = np.where(np.arange(begins_s + lasts_s) < begins_s, HEALTHY, share)
    return traffic(by_chance(rng, launches, begins_s + lasts_s, per_s, shares), per_s)


def delay(found: Array, begins_s: int) -> float:
    """Mean seconds from a regression's beginning; not a number unless each launch has one."""
    late = found - begins_s
    return math.nan if np.isnan(late).any() or (late <= 0).any() else float(late.mean())


def outages(rng: np.random.Generator, sizes: Sizes) -> list[Target]:
    """D: how long a total failure and a regression in the middle of a launch go on."""
    targets = []
    launches = min(sizes.robust, 400)
    for per_s in (10, 100):
        failing = onset(rng, launches, per_s, 1.0, 0, 60)
        for blocks, most_s in ((3, 3), (10, 10)):
            found = delay(seconds(scale_of(ERRORS, blocks), failing), 0)
            targets.append(_below("D", f"all fail, {per_s} requests/s, {blocks} blocks", found, most_s, " s"))
    row = rate_row(rng, ERRORS_AT, 1.0, 100)
    targets.append(_below("D", "all fail, no cap", row.usual, 2, " requests"))
    baseline = dispersions(by_chance(rng, launches, LAUNCH_S, PER_S, HEALTHY))
    for share, most_s, usual_most_s in ((0.02, 50, 100), (0.05, 9, 22), (1.0, 6, 16)):
        late = onset(rng, launches, PER_S, share, 900, 600)
        fast = delay(seconds(scale_of(ERRORS, 3), late), 900)
        targets.append(_below("D", f"{share:.0%} from minute 15, 3 blocks, not tempered", fast, most_s, " s"))
        found = delay(seconds(usual(ERRORS), late, baseline), 900)
        targets.append(_below("D", f"{share:.0%} from minute 15, usual", found, usual_most_s, " s"))
        plain = seconds(without_restarts(ERRORS), late)
        said = f"{np.nanmean(plain) - 900:.0f} s" if hits(plain) else "never"
        said = f"{said} ({hits(plain)} of {launches} in 10 min)"
        targets.append(
            Target("D", f"{share:.0%} from minute 15, without restarts", said, "no target", kept=True)
        )
    return targets


RETRIES = {
    f"retries, clusters of {size}, {share:.1%}": Process(clustered=share, cluster=size)
    for size, share in ((3, 0.003), (3, 0.009), (10, 0.003), (10, 0.009), (30, 0.009))
}
BLIPS = {
    "blips of 1 s, 0.15 % in all": Process(HEALTHY, blips=1.8),
    "blips of 1 s, 0.44 % in all": Process(HEALTHY, blips=7.0),
    "blips of 3 s, 0.24 % in all": Process(HEALTHY, blips=1.14, blip_s=3),
    "outages of 10 s by a fifth, 0.25 % in all": Process(HEALTHY, blips=1.8, blip_s=10, blip_share=0.2),
}


def robustness(rng: np.random.Generator, sizes: Sizes) -> list[Target]:
    """E: healthy launches whose bad requests do not come by chance alone; tempered by their own baselines."""
    targets = []
    for name, process in (RETRIES | BLIPS).items():
        counts = _robust_counts(rng, process, sizes.robust)
        for kind, count in counts.items():
            bound = _robust_bound(name, kind)
            if bound is None:
                share = count / sizes.robust
                targets.append(_noted("E", f"{name}: {kind}", f"{share:.1%}"))
            else:
                targets.append(_at_most("E", f"{name}: {kind}", count, sizes.robust, bound))
    return targets + incidents(rng, sizes)


def _robust_bound(name: str, kind: str) -> float | None:
    """Which share of healthy launches may be rolled back; None where the method promises nothing."""
    if "outages" in name or (kind == "strict against stable" and ("0.9%" in name or "0.44" in name)):
        return None
    if kind == "rate, no cap, not tempered":
        return None
    if kind.startswith("strict") or name in RETRIES:
        return 0.003
    return 0.005 if "1 s" in name and kind == "rate" else None


def _robust_counts(rng: np.random.Generator, process: Process, launches: int) -> dict[str, int]:
    baseline, mine, others = (drawn(process, rng, launches, LAUNCH_S, PER_S) for _ in range(3))
    dispersion = dispersions(baseline)
    both = traffic(mine, PER_S, others)
    return {
        "rate, no cap, not tempered": hits(seconds(scale_of(ERRORS, None), both)),
        "rate": hits(seconds(usual(ERRORS), both, dispersion)),
        "against stable": hits(seconds(usual(AGAINST), both, dispersion)),
        "strict rate": hits(seconds(usual(STRICT_ERRORS), both, length_s=STRICT_S)),
        "strict against stable": hits(seconds(usual(STRICT_AGAINST), both, length_s=STRICT_S)),
    }


def incidents(rng: np.random.Generator, sizes: Sizes) -> list[Target]:
    """What both arms share: an incident of five minutes, and a ramp of weights while errors drift."""
    launches = 4 * sizes.robust
    share = np.full(LAUNCH_S, 0.003)
    share[900:1200] = 0.03
    both = traffic(
        by_chance(rng, launches, LAUNCH_S, PER_S, share),
        PER_S,
        by_chance(rng, launches, LAUNCH_S, PER_S, share),
    )
    plain = seconds(usual(AGAINST), both, np.full(launches, 1.0))
    time = np.arange(LAUNCH_S)
    weight = np.select([time < 600, time < 1200], [0.05, 0.25], 0.5)
    drift = 0.001 + 0.004 * (time / LAUNCH_S)
    drift[700:1000] += 0.02
    total = rng.binomial(2 * PER_S, weight, size=(launches, LAUNCH_S))
    others = 2 * PER_S - total
    ramp = Traffic(rng.binomial(total, drift), total, rng.binomial(others, drift), others)
    ramped = seconds(usual(AGAINST), ramp, np.full(launches, 1.0))
    pooled = f"{pooled_differences(ramp) / launches:.1%}"
    return [
        Target(
            "E", "ramp with drift and incident: one pooled test at the end", pooled, "no target", kept=True
        ),
        _at_most("E", "incident in both arms: against stable", hits(plain), launches, ALPHA, proven=True),
        _at_most(
            "E", "ramp with drift and incident: against stable", hits(ramped), launches, ALPHA, proven=True
        ),
    ]


def pooled_differences(launched: Traffic) -> int:
    """Launches that one test of two shares at the end calls worse, with a chance of error of 1 in 1000."""
    bad, total, stable_bad, stable_total = (
        counts.sum(axis=1)
        for counts in (launched.bad, launched.total, launched.stable_bad, launched.stable_total)
    )
    share = (bad + stable_bad) / (total + stable_total)
    spread = np.sqrt(share * (1 - share) * (1 / total + 1 / stable_total))
    return int(((bad / total - stable_bad / stable_total) / spread > 3.0902).sum())


def comparisons(rng: np.random.Generator, sizes: Sizes) -> list[Target]:
    """F: the two-arm formula beside its bound, and latency by five cuts."""
    row = two_arm_row(rng, HEALTHY, 0.01, 0.5, sizes.delays)
    found = latency_requests(rng, 2.5, min(sizes.delays, 400))
    return [
        _below("F", "0.05 % to 1 % against stable, delay over Wald's bound", row.whole / row.bound, 1.3),
        _below("F", "latency 2.5 times, five cuts, requests of both arms", float(found.mean()), 200),
    ]


def passes(rng: np.random.Generator, sizes: Sizes) -> list[Target]:
    """A and E: candidates at their limit or beyond that pass, by chance alone and in clusters."""
    launches = min(sizes.launches, 4_000)
    at_limit = traffic(by_chance(rng, launches, LAUNCH_S, PER_S, ERRORS_AT), PER_S)
    found = hits(seconds(_passing(), at_limit))
    targets = [_at_most("A", "rate at its limit passes", found, launches, 0.01, proven=True)]
    launches = sizes.robust
    for cluster, share in ((3, 0.012), (10, 0.012), (10, 0.02)):
        before = drawn(Process(clustered=0.003, cluster=cluster), rng, launches, LAUNCH_S, PER_S)
        beyond = traffic(
            drawn(Process(clustered=share, cluster=cluster), rng, launches, LAUNCH_S, PER_S), PER_S
        )
        for said, temper in (("not tempered", None), ("tempered", dispersions(before) / TEMPER)):
            passed = hits(seconds(_passing(), beyond, temper)) / launches
            name = f"retries, clusters of {cluster}, {share:.1%}: passes, {said}"
            targets.append(_noted("E", name, f"{passed:.1%}"))
    return targets


def _passing() -> Scale:
    scale = Rules((ERRORS,)).scales[0].passing
    assert scale is not None
    return scale


PARTS: tuple[Callable[[np.random.Generator, Sizes], list[Target]], ...] = (
    false_alarms,
    robustness,
    exact,
    efficiency,
    outages,
    comparisons,
    passes,
)
