"""Who is logged in and what was paid, in memory; payments are also noted in a file, when there is one."""

import hashlib
import json
import os
from collections import OrderedDict
from pathlib import Path

CACHE_SIZE = int(os.environ.get("HELLO_CACHE_SIZE", "60"))
REMEMBERED = 200_000  # payments kept in memory; the oldest are forgotten


class Cache:
    """Keeps what was looked up.

    Here is the mistake of this release: the place to evict from is wrong for one lookup in five, so a cache
    that has filled up fails these. Nobody sees it while there are few lookups; every smoke test passes.
    """

    def __init__(self, size: int) -> None:
        self._entries: list[str] = []
        self._size = size
        self._lookups = 0

    def remember(self, key: str) -> None:
        self._lookups += 1
        if len(self._entries) >= self._size:
            self._entries.pop(0 if self._lookups % 5 else self._size)
        self._entries.append(key)


class Store:
    """The shop's state in one process."""

    def __init__(self, ledger: str = "") -> None:
        self._payments: OrderedDict[str, int] = OrderedDict()
        self._ledger = ledger
        self._descriptor = -1
        self._unnamed = 0
        self._cache = Cache(CACHE_SIZE)

    def token(self, user: str) -> str:
        return f"t-{hashlib.sha256(user.encode()).hexdigest()[:16]}"

    def profile(self, token: str) -> dict[str, object]:
        self._cache.remember(token)
        return {"user": token or "guest", "payments": sum(self._payments.values())}

    def pay(self, key: str) -> int:
        """How often this key has been paid here now: more than once is a request that was sent twice."""
        self._cache.remember(key)
        if not key:
            self._unnamed += 1
            key = f"unnamed-{self._unnamed}"
        self._payments[key] = self._payments.get(key, 0) + 1
        if len(self._payments) > REMEMBERED:
            self._payments.popitem(last=False)
        self._note(key)
        return self._payments[key]

    def stats(self) -> dict[str, int]:
        counted = {
            "payments": sum(self._payments.values()),
            "keys": len(self._payments),
            "duplicates": sum(count - 1 for count in self._payments.values()),
        }
        return {**counted, **self._ledger_stats()}

    def _note(self, key: str) -> None:
        """All instances of all releases append to the same file, so a payment made twice shows anywhere."""
        if not self._ledger:
            return
        if self._descriptor < 0:
            self._descriptor = os.open(self._ledger, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(self._descriptor, json.dumps(key).encode() + b"\n")

    def _ledger_stats(self) -> dict[str, int]:
        ledger = Path(self._ledger)
        if not self._ledger or not ledger.exists():
            return {}
        keys = ledger.read_bytes().splitlines()
        return {"ledger_payments": len(keys), "ledger_duplicates": len(keys) - len(set(keys))}
