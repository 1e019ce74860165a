"""Payments: made once per idempotency key, shown on the dashboard, counted."""

import uuid
from decimal import Decimal, InvalidOperation

from paymentapp.accounts import GUEST, Accounts
from paymentapp.pool import Pool
from paymentapp.release import RELEASE
from paymentapp.request import Answer, RefusedError, Request
from paymentapp.risk import RISKY, RiskMemory
from paymentapp.settings import Settings

ACCEPTED, DECLINED = "accepted", "declined"
LIMIT = Decimal(10_000)  # more than this at once is declined
CURRENCIES = ("EUR", "USD")
_HIGHEST = Decimal(9_999_999)
_KEY_LIMIT = 200

# One statement: of two requests with the same key, whatever instances they reach, one makes the payment and
# the other finds it. `deliveries` counts both, so that a request sent twice shows.
_PAY = """
    INSERT INTO payments (user_id, idempotency_key, amount_cents, currency, status, risk, version, slot)
    VALUES (%(user)s, %(key)s, %(cents)s, %(currency)s, %(status)s, %(risk)s, %(version)s, %(slot)s)
    ON CONFLICT (user_id, idempotency_key) DO UPDATE SET deliveries = payments.deliveries + 1
    RETURNING id, amount_cents, currency, status, deliveries
"""
_DASHBOARD = """
    SELECT count(*), coalesce(sum(amount_cents) FILTER (WHERE status = 'accepted'), 0),
        count(*) FILTER (WHERE status = 'declined')
    FROM payments WHERE user_id = %(user)s
"""
_STATS = """
    SELECT count(*), count(*) FILTER (WHERE status = 'declined'), count(settled_at),
        count(*) - count(DISTINCT (user_id, idempotency_key)), coalesce(sum(deliveries - 1), 0)
    FROM payments WHERE starts_with(idempotency_key, %(prefix)s)
"""


class Payments:
    """Answers what is asked under /payments, and the dashboard."""

    def __init__(self, pool: Pool, accounts: Accounts, settings: Settings) -> None:
        self._pool = pool
        self._accounts = accounts
        self._risks = RiskMemory()
        self._origin = {"version": settings.version, "slot": settings.slot}

    async def process(self, request: Request) -> Answer:
        """Pays. A declined payment is an answer like any other: 200, and its status says so."""
        who = await self._accounts.who(request)
        fields = await request.fields()
        amount, currency = _amount(fields.get("amount")), fields.get("currency", CURRENCIES[0])
        if currency not in CURRENCIES:
            raise RefusedError(400, f"currencies are {' and '.join(CURRENCIES)}")
        key = request.header("idempotency-key") or f"unnamed-{uuid.uuid4()}"
        if len(key) > _KEY_LIMIT:
            raise RefusedError(400, f"an idempotency key has at most {_KEY_LIMIT} characters")
        risk = self._risks.weigh(key)
        payment = {
            "user": who[0] if who else GUEST,
            "key": key,
            "cents": int(amount * 100),
            "currency": currency,
            "status": DECLINED if amount > LIMIT or risk >= RISKY else ACCEPTED,
            "risk": risk,
            **self._origin,
        }
        row = await self._pool.one(_PAY, payment)
        if row is None:
            raise AssertionError("the statement answers a row in every case")
        number, cents, held, status, deliveries = row
        if (cents, held) != (payment["cents"], currency):
            raise RefusedError(422, "this idempotency key belongs to another amount")
        paid = {"amount": _shown(cents), "currency": held}
        return Answer(200, {"id": number, "status": status, **paid, "replayed": deliveries > 1})

    async def dashboard(self, request: Request) -> Answer:
        who = await self._accounts.who(request)
        if who is None:
            raise RefusedError(401, "log in first")
        row = await self._pool.one(_DASHBOARD, {"user": who[0]})
        count, paid, declined = row or (0, 0, 0)
        shown = {"user": who[1], "payments": count, "paid": _shown(paid), "declined": declined}
        return Answer(200, {"release": RELEASE, **shown})

    async def stats(self, request: Request) -> Answer:
        """Totals, of all payments or of those whose key starts with `prefix`.

        `duplicates` are payments that exist twice, `repeated` requests that came again and paid nothing.
        """
        row = await self._pool.one(_STATS, {"prefix": request.text("prefix")})
        names = ("payments", "declined", "settled", "duplicates", "repeated")
        return Answer(200, dict(zip(names, map(int, row or ()), strict=True)))


def _shown(cents: int) -> str:
    return f"{Decimal(cents) / 100:.2f}"


def _amount(given: object) -> Decimal:
    try:
        amount = Decimal(str(given))
    except InvalidOperation:
        raise RefusedError(400, "give an amount") from None
    if not amount.is_finite() or not 0 < amount <= _HIGHEST or amount != round(amount, 2):
        raise RefusedError(400, "an amount is positive and has at most two decimals")
    return round(amount, 2)
