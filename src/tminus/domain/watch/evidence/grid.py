"""The alternatives that a limit is weighed against: how much worse a candidate might be.

Steps of 2.5 in the excess cost at most 10 % of delay against any finer grid (measured by
`benchmarks/judge.py`), and reach from 1.2 times the limit to a total failure.
"""

_FIRST_EXCESS = 0.2
_STEP = 2.5
_HALF = 0.5
_HALF_REACHED = 1.5  # a grid that comes within this factor of one half needs no alternative there
_NEARLY_ALL = 0.95

ODDS = tuple(1 + _FIRST_EXCESS * _STEP**i for i in range(7))
"""Ratios above an allowed ratio, 1.2 to about 50."""

BETTER = (1.5, 2.5, 5.0, 10.0, 50.0)
"""How many times better than its limit a healthy candidate might be."""

BETS = (0.02, 0.05, 0.1, 0.2, 0.35, 0.6, 0.9)
"""Stakes of the strict mode, as shares of what may be lost in one block."""


def worse(limit: float) -> tuple[float, ...]:
    """Shares above `limit` (0 < limit < 1) that a regression might have.

    Raises:
        ValueError: no share lies above the limit that the grid could hold.
    """
    if not 0 < limit < _NEARLY_ALL:
        raise ValueError(f"a limit of {limit} leaves nothing above it to look for")
    shares = []
    excess = _FIRST_EXCESS
    while (share := limit * (1 + excess)) < _HALF:
        shares.append(share)
        excess *= _STEP
    if limit < _HALF and (not shares or shares[-1] * _HALF_REACHED < _HALF):
        shares.append(_HALF)
    return (*shares, _NEARLY_ALL)
