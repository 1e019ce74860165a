"""Users of the sample service: they register, log in, pay, look at dashboards and pages, upload and stream.

Usage: python examples/paymentapp/users.py --url http://127.0.0.1:8080 --rate 300 --seconds 10

Bounded load on loopback, every request accounted for; what came of it is printed as JSON. No request is sent
twice, so a payment that the service has seen twice was repeated on its way.
"""

import argparse
import hashlib
import json
import signal
import sys
import threading
import time
import urllib.request
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from tminus.adapters.http.load_spec import LoadResult, LoadSpec
from tminus.adapters.http.mix import Ask, run_mix
from tminus.adapters.http.wire import AnswerParser
from tminus.domain.codec import to_json

REGISTER, LOGIN, PAY, DASHBOARD = "register", "login", "pay", "dashboard"
PAGE, SCRIPT, UPLOAD, STREAM = "page", "script", "upload", "stream"
# Of a hundred requests; the shares follow each other in an order that mixes them.
SHARES = {REGISTER: 4, LOGIN: 8, PAY: 30, DASHBOARD: 46, PAGE: 5, SCRIPT: 5, UPLOAD: 1, STREAM: 1}
STRIDE = 37  # has no factor in common with a hundred
NEW_EVERY = 10  # one in ten requests opens a connection of its own
GUEST_EVERY = 12  # among payments
REMEMBERED = 300  # tokens in use at once
PASSWORD = "correct horse"
BLOB = bytes(range(256)) * 256
BLOB_DIGEST = f"sha256:{hashlib.sha256(BLOB).hexdigest()}"
BLOB_PAUSE_MS = 50
CHUNKS, CHUNK_PAUSE_MS = 20, 50
TOLD_LIMIT = 20  # failures and wrong answers that are printed one by one
KEEP_BYTES = 4096
STATS_LIMIT_S = 10
ANSWERED_OK = range(200, 300)


@dataclass(slots=True)
class Told:
    """What the answers said beyond their status."""

    accepted: int = 0
    declined: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    replayed: int = 0
    wrong: list[str] = field(default_factory=list)


class Users:
    """Decides by its number alone what each request is, so that two runs send the same."""

    def __init__(self, run: str) -> None:
        self.told_so_far = Told()
        self._run = run
        self._names: list[str] = []
        self._tokens: deque[tuple[str, str]] = deque(maxlen=REMEMBERED)
        self._script_path = ""
        self._plan = [kind for kind, share in SHARES.items() for _ in range(share)]
        self._asked: dict[int, str] = {}

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(SHARES)

    def ask(self, number: int) -> Ask:
        kind = self._possible(self._plan[number * STRIDE % len(self._plan)])
        # Counted in rounds, or every kind would keep to one sort of connection.
        is_new = (number + number // len(self._plan)) % NEW_EVERY == 0
        if kind == REGISTER:
            self._asked[number] = f"{self._run}-user-{number}"
            return _post(kind, "/auth/register", self._credentials(self._asked[number]), is_new=is_new)
        if kind == LOGIN:
            self._asked[number] = self._names[number % len(self._names)]
            return _post(kind, "/auth/login", self._credentials(self._asked[number]), is_new=is_new)
        if kind == PAY:
            return self._payment(number, is_new=is_new)
        if kind == DASHBOARD:
            self._asked[number], token = self._tokens[number % len(self._tokens)]
            return Ask(kind, "GET", "/dashboard", _bearer(token), is_new=is_new, keep_body=KEEP_BYTES)
        if kind == UPLOAD:
            return Ask(kind, "POST", "/upload", (), BLOB, is_new, KEEP_BYTES, BLOB_PAUSE_MS)
        if kind == STREAM:
            path = f"/stream?chunks={CHUNKS}&pause_ms={CHUNK_PAUSE_MS}"
            return Ask(kind, "GET", path, is_new=is_new, keep_body=KEEP_BYTES)
        path = self._script_path if kind == SCRIPT else "/"
        return Ask(kind, "GET", path, is_new=is_new, keep_body=KEEP_BYTES)

    def told(self, number: int, ask: Ask, answer: AnswerParser, why: str) -> None:
        asked = self._asked.pop(number, "")
        if why or answer.status >= 500:
            return
        if answer.status not in ANSWERED_OK:
            self.told_so_far.refused[f"{ask.kind} {answer.status}"] += 1
            return
        wrong = self._learn(ask, asked, bytes(answer.body))
        if wrong and len(self.told_so_far.wrong) < TOLD_LIMIT:
            self.told_so_far.wrong.append(f"request {number}, {ask.kind}: {wrong}")

    def _possible(self, kind: str) -> str:
        """The first users must register and log in before they can do anything else."""
        if kind in (LOGIN, PAY, DASHBOARD) and not self._names:
            return REGISTER
        if kind in (PAY, DASHBOARD) and not self._tokens:
            return LOGIN
        return PAGE if kind == SCRIPT and not self._script_path else kind

    def _payment(self, number: int, *, is_new: bool) -> Ask:
        headers: tuple[tuple[str, str], ...] = (("Idempotency-Key", f"{self._run}-{number}"),)
        if number % GUEST_EVERY:
            self._asked[number], token = self._tokens[number % len(self._tokens)]
            headers += _bearer(token)
        # Now and then more than the service accepts: a good release declines some payments too.
        amount = "20000.00" if number % 97 == 0 else f"{number % 90 + 1}.{number % 100:02d}"
        return _post(PAY, "/payments/process", {"amount": amount}, headers, is_new=is_new)

    def _credentials(self, name: str) -> dict[str, str]:
        return {"user": name, "password": PASSWORD}

    def _learn(self, ask: Ask, asked: str, body: bytes) -> str:
        """Takes from an answer what later requests need; says what is wrong with it."""
        if ask.kind == PAGE:
            self._script_path = body.partition(b'src="')[2].partition(b'"')[0].decode()
            return "" if self._script_path.startswith("/assets/") else "the page names no script"
        if ask.kind == SCRIPT:
            return "" if body.startswith(b"//") else "this is no script"
        if ask.kind == STREAM:
            return "" if body.count(b"\n") == CHUNKS else "chunks are missing"
        fields = json.loads(body)
        if ask.kind == UPLOAD:
            return "" if fields["digest"] == BLOB_DIGEST else "another digest"
        if ask.kind == PAY:
            self.told_so_far.accepted += fields["status"] == "accepted"
            self.told_so_far.declined += fields["status"] == "declined"
            self.told_so_far.replayed += fields["replayed"]
            return ""
        if ask.kind == REGISTER:
            self._names.append(asked)
        if ask.kind == LOGIN:
            self._tokens.append((asked, fields["token"]))
        return "" if fields["user"] == asked else "the answer is for somebody else"


def report(result: LoadResult, told: Told, stats: dict[str, int] | None) -> dict[str, Any]:
    """Everything in one value: what became of the requests, and of the payments."""
    answered = told.accepted + told.declined
    payments: dict[str, Any] = {
        "accepted": told.accepted,
        "declined": told.declined,
        "replayed": told.replayed,
        "stored": None,
    }
    if stats is not None:
        payments |= {
            "stored": stats["payments"],
            # Paid as far as the user knows, and not in the database.
            "missing": max(0, answered - stats["payments"]),
            "duplicated": stats["duplicates"],
            "repeated": stats["repeated"],
            "settled": stats["settled"],
        }
    whole = to_json(result)
    assert isinstance(whole, dict)
    # What got no whole answer is rarer than errors, and stranger.
    failures = sorted(whole["failures"], key=lambda each: each["fate"] == "failed")  # type: ignore[index,arg-type,call-overload]  # objects, by LoadResult
    whole["failures"] = failures[:TOLD_LIMIT]
    return {**whole, "payments": payments, "refused": dict(told.refused), "wrong": told.wrong}


def read_stats(url: str, run: str) -> dict[str, int] | None:
    """What the service has stored of this run; None when it does not answer."""
    try:
        with urllib.request.urlopen(
            f"{url}/payments/stats?prefix={quote(run)}-", timeout=STATS_LIMIT_S
        ) as answer:
            stats: dict[str, int] = json.load(answer)
    except (OSError, ValueError):
        return None
    return stats


def run_users(spec: LoadSpec, stop: threading.Event | None = None) -> dict[str, Any]:
    """Sends the mix, then compares what the users were told with what is stored."""
    users = Users(spec.run)
    result = run_mix(spec, users, stop)
    return report(result, users.told_so_far, read_stats(spec.url, spec.run))


def _post(
    kind: str, path: str, fields: object, headers: tuple[tuple[str, str], ...] = (), *, is_new: bool
) -> Ask:
    own = (("Content-Type", "application/json"), *headers)
    return Ask(kind, "POST", path, own, json.dumps(fields).encode(), is_new, KEEP_BYTES)


def _bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("Authorization", f"Bearer {token}"),)


def main() -> int:
    """The command line; SIGTERM and Ctrl-C end the load early and it is told all the same."""
    parser = argparse.ArgumentParser(description="Makes bounded load as the sample service's users do.")
    parser.add_argument("--url", required=True, help="http://host:port of the router or an instance")
    parser.add_argument("--rate", type=int, default=300, help="requests per second")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--connections", type=int, default=256)
    parser.add_argument("--run", default=f"run{time.time_ns() // 1_000_000}", help="starts keys and names")
    given = parser.parse_args()
    try:
        spec = LoadSpec(given.url, given.rate, given.seconds, connections=given.connections, run=given.run)
    except ValueError as error:
        parser.error(str(error))
    stop = threading.Event()
    found: list[dict[str, Any]] = []
    worker = threading.Thread(target=lambda: found.append(run_users(spec, stop)), name="users")
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    worker.start()
    worker.join()
    json.dump(found[0], sys.stdout, indent=2)
    sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
