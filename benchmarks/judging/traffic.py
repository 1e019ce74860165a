"""Traffic of simulated launches: bad requests per second, launches by seconds.

Everything is drawn from a generator that is given. Bad requests come by chance alone, in clusters as retries
make them, or in blips that hit everyone for a moment.
"""

from dataclasses import dataclass

import numpy as np
from judging.vector import Array, Counts

from tminus.domain.watch.evidence.dispersion import BLOCK_S, dispersion_milli
from tminus.domain.watch.evidence.rules import MILLI

CLUSTER_S = 3
"""Retries of one request fall within this many seconds."""

HEALTHY = 0.0005


@dataclass(frozen=True)
class Process:
    """How bad requests come about.

    Attributes:
        share: of all requests, by chance alone.
        clustered: of all requests, in clusters.
        cluster: mean size of a cluster; sizes are geometric.
        blips: per launch of half an hour.
        blip_s: length of one.
        blip_share: of requests that it makes bad.
    """

    share: float = 0.0
    clustered: float = 0.0
    cluster: int = 1
    blips: float = 0.0
    blip_s: int = 1
    blip_share: float = 1.0


def by_chance(
    rng: np.random.Generator, launches: int, seconds: int, per_s: int, share: float | Array
) -> Counts:
    """Independent bad requests; `share` may change by second."""
    return rng.binomial(per_s, share, size=(launches, seconds))


def drawn(process: Process, rng: np.random.Generator, launches: int, seconds: int, per_s: int) -> Counts:
    """Bad requests per second, at most all of them."""
    bad = by_chance(rng, launches, seconds, per_s, process.share)
    if process.clustered:
        _add_clusters(process, rng, bad, per_s)
    if process.blips:
        _add_blips(process, rng, bad, per_s)
    result: Counts = np.minimum(bad, per_s)
    return result


def _add_clusters(process: Process, rng: np.random.Generator, bad: Counts, per_s: int) -> None:
    launches, seconds = bad.shape
    clusters = rng.poisson(process.clustered * per_s * seconds / process.cluster, launches)
    launch = np.repeat(np.arange(launches), clusters)
    # Begun before the first second too, so that the first seconds are like the others.
    begun = rng.integers(1 - CLUSTER_S, seconds, len(launch))
    sizes = rng.geometric(1 / process.cluster, len(launch))
    at = np.repeat(begun, sizes) + rng.integers(0, CLUSTER_S, sizes.sum())
    within = (at >= 0) & (at < seconds)
    np.add.at(bad, (np.repeat(launch, sizes)[within], at[within]), 1)


def _add_blips(process: Process, rng: np.random.Generator, bad: Counts, per_s: int) -> None:
    launches, seconds = bad.shape
    blips = rng.poisson(process.blips * seconds / 1800, launches)
    launch = np.repeat(np.arange(launches), blips)
    begun = rng.integers(0, seconds, len(launch))
    for second in range(process.blip_s):
        at = begun + second
        within = at < seconds
        hit = rng.binomial(per_s, process.blip_share, int(within.sum()))
        np.add.at(bad, (launch[within], at[within]), hit)


def dispersions(baseline: Counts) -> Array:
    """The domain's estimate for each launch, from half an hour of its own process before."""
    launches, seconds = baseline.shape
    blocks = baseline[:, : seconds // BLOCK_S * BLOCK_S].reshape(launches, -1, BLOCK_S).sum(axis=2)
    return np.array([dispersion_milli(row.tolist()) / MILLI for row in blocks])
