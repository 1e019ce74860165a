"""Who somebody is: accounts with passwords, and tokens that stand for having logged in."""

import hashlib
import hmac
import secrets

from paymentapp.pool import Pool
from paymentapp.request import Answer, RefusedError, Request
from paymentapp.settings import Settings
from paymentapp.tables import SESSIONS

GUEST = 0  # the account of those who pay without one
ROUNDS = 500  # few: this is a sample, and its users share two cores with a database and a router
_NAME_LIMIT = 100

_REGISTER = """
    INSERT INTO users (name, password, version, slot)
    VALUES (%(name)s, %(password)s, %(version)s, %(slot)s)
    ON CONFLICT (name) DO NOTHING RETURNING id
"""
_FIND = "SELECT id, password FROM users WHERE name = %(name)s"
_LOG_IN = f"""
    INSERT INTO {SESSIONS} (token_digest, user_id, version, slot)
    VALUES (%(digest)s, %(user)s, %(version)s, %(slot)s) RETURNING user_id
"""
_WHO = f"""
    SELECT user_id, name FROM {SESSIONS} JOIN users ON users.id = user_id WHERE token_digest = %(digest)s
"""


class Accounts:
    """Answers what is asked under /auth."""

    def __init__(self, pool: Pool, settings: Settings) -> None:
        self._pool = pool
        self._origin = {"version": settings.version, "slot": settings.slot}

    async def register(self, request: Request) -> Answer:
        """Makes an account; the same name and password again are the same account, so a retry is harmless."""
        name, password = await _credentials(request)
        row = await self._pool.one(_REGISTER, {"name": name, "password": _hashed(password), **self._origin})
        if row is not None:
            return Answer(201, {"user": name, "id": row[0]})
        row = await self._pool.one(_FIND, {"name": name})
        if row is None or not _matches(password, row[1]):
            raise RefusedError(409, "somebody has that name")
        return Answer(200, {"user": name, "id": row[0]})

    async def login(self, request: Request) -> Answer:
        name, password = await _credentials(request)
        row = await self._pool.one(_FIND, {"name": name})
        if row is None or not _matches(password, row[1]):
            raise RefusedError(401, "who are you?")
        token = secrets.token_urlsafe(24)
        await self._pool.one(_LOG_IN, {"digest": _digest(token), "user": row[0], **self._origin})
        return Answer(200, {"user": name, "token": token})

    async def who(self, request: Request) -> tuple[int, str] | None:
        """Number and name of the one whose token the request carries; None for a request without a token."""
        given = request.header("authorization")
        if not given:
            return None
        row = await self._pool.one(_WHO, {"digest": _digest(given.removeprefix("Bearer "))})
        if row is None:
            raise RefusedError(401, "this token is nobody's")
        return row[0], row[1]


async def _credentials(request: Request) -> tuple[str, str]:
    fields = await request.fields()
    name, password = fields.get("user"), fields.get("password")
    if not isinstance(name, str) or not isinstance(password, str) or not name or not password:
        raise RefusedError(400, "give a user and a password")
    if len(name) > _NAME_LIMIT or "\0" in name:
        raise RefusedError(400, "this is no name")
    return name, password


def _hashed(password: str, salt: bytes | None = None) -> str:
    salt = secrets.token_bytes(16) if salt is None else salt
    return f"{salt.hex()}:{hashlib.pbkdf2_hmac('sha256', password.encode(), salt, ROUNDS).hex()}"


def _matches(password: str, stored: str | None) -> bool:
    if stored is None:
        return False
    return hmac.compare_digest(stored, _hashed(password, bytes.fromhex(stored.partition(":")[0])))


def _digest(token: str) -> bytes:
    """What is kept of a token: who reads the table cannot log in."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
