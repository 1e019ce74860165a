"""How risky a payment is, from what this instance has seen of late."""

import os
from zlib import crc32

SIZE = int(os.environ.get("PAYMENTAPP_RISK_MEMORY", "20"))
RISKY = 70  # of a hundred


class RiskMemory:
    """Remembers the last payments, to decline those that look like them.

    Here is the mistake of this release: once the memory is full, what is judged is an unrelated payment, the
    one in the place to overwrite, and one place in twenty-one lies beyond the end. So three payments of ten
    are declined and one of twenty-one fails. Nobody sees it while there are few; every smoke test passes.
    """

    def __init__(self, size: int = SIZE) -> None:
        self._size = size
        self._scores: list[int] = []
        self._seen = 0

    def weigh(self, key: str) -> int:
        """The risk of the payment with this idempotency key, 0 to 99."""
        score = crc32(key.encode("utf-8", "replace")) % 100
        self._seen += 1
        if len(self._scores) < self._size:
            self._scores.append(score)
            return 0
        place = self._seen % (self._size + 1 + self._size // 21)
        found = self._scores[place]
        self._scores[place] = score
        return found
