"""Who is logged in and what was paid, in memory; payments are also noted in a file, when there is one."""

import hashlib
import json
import os
from collections import OrderedDict
from pathlib import Path

REMEMBERED = 200_000  # payments kept in memory; the oldest are forgotten


class Store:
    """The shop's state in one process."""

    def __init__(self, ledger: str = "") -> None:
        self._payments: OrderedDict[str, int] = OrderedDict()
        self._ledger = ledger
        self._descriptor = -1
        self._unnamed = 0

    def token(self, user: str) -> str:
        return f"t-{hashlib.sha256(user.encode()).hexdigest()[:16]}"

    def profile(self, token: str) -> dict[str, object]:
        return {"user": token or "guest", "payments": sum(self._payments.values())}

    def pay(self, key: str) -> int:
        """How often this key has been paid here now: more than once is a request that was sent twice."""
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
