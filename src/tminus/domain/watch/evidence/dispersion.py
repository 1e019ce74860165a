"""How much more bad cases vary than by chance, from a baseline. Must not judge a candidate."""

import math
from collections.abc import Sequence

BLOCK_S = 10
"""Length of a baseline's blocks, in seconds: longer than retries take, and many of them in half an hour."""

_GUESS = 2.0
_GUESS_WEIGHT = 10  # blocks; a baseline with a few bad ones says little
_LEAST, _MOST = 1.0, 30.0


def dispersion_milli(bad: Sequence[int]) -> int:
    """Variance over mean of the bad cases in blocks of 10 s, in thousandths; 1000 is chance alone.

    Retries and impatient clients make bad cases come in clusters: those of geometric size with mean 3 have 5,
    with mean 10 have 19. It is drawn towards 2 as long as few blocks have a bad case, and kept between 1
    and 30. It does not see clusters that are rare: half an hour without one says nothing of the next.

    Args:
        bad: bad cases in each block of an earlier half hour or more, of the same kind of traffic.
    """
    blocks = len(bad)
    mean = math.fsum(bad) / blocks if blocks else 0.0
    if blocks < 2 or not mean:  # noqa: PLR2004 - a variance takes two
        return int(_GUESS * 1000)
    variance = math.fsum((count - mean) ** 2 for count in bad) / (blocks - 1)
    seen = sum(count > 0 for count in bad)
    drawn = (seen * variance / mean + _GUESS_WEIGHT * _GUESS) / (seen + _GUESS_WEIGHT)
    return round(1000 * min(_MOST, max(_LEAST, drawn)))
