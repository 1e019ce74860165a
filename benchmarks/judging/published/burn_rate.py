"""Alerts on the rate at which an error budget burns, for a course of shares of bad requests.

Google, The Site Reliability Workbook, 2018, chapter 5, Alerting on SLOs: page when a long and a short window
both burn the budget at 14.4 times (an hour and five minutes) or 6 times (six hours and half an hour) the
rate that uses it up in a month.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

BUDGET = 0.001
"""Share of requests that may fail where 99.9 % are promised."""


@dataclass(frozen=True)
class Rule:
    """How fast the budget must burn, over which two windows."""

    rate: float
    long_s: int
    short_s: int


FAST = Rule(14.4, 3600, 300)
SLOW = Rule(6, 21_600, 1800)


def seconds_to_page(share: float, before: float = 0.0, rule: Rule = FAST, budget: float = BUDGET) -> float:
    """Seconds from a change of `before` to `share` until the long window reaches the rule's rate."""
    return (rule.rate * budget - before) / (share - before) * rule.long_s


def pages_after(shares: Sequence[float], before: float, budget: float = BUDGET) -> int | None:
    """Seconds after which either rule pages, looked at each second; None where neither does.

    Args:
        shares: share of bad requests in each second, of the same number of requests.
        before: the share of all seconds before these.
        budget: share of requests that may fail.
    """
    course = [before] * SLOW.long_s + list(shares)
    sums = [0.0, *accumulate(course)]

    def burns(rule: Rule, end: int) -> bool:
        return all(
            sums[end] - sums[end - window] > rule.rate * budget * window
            for window in (rule.long_s, rule.short_s)
        )

    first = SLOW.long_s + 1
    found = (end for end in range(first, len(sums)) if burns(FAST, end) or burns(SLOW, end))
    end = next(found, None)
    return None if end is None else end - SLOW.long_s
