"""Whether this instance should have traffic: it asks the database over a connection of its own."""

import asyncio
from typing import Any

import psycopg
from psycopg import AsyncConnection

from paymentapp.pool import connect

EVERY_S = 1.0
LIMIT_S = 1.0  # of one question
# A database that is slow for a moment must not take every instance out of the router at once.
FORGIVEN_S = 6.0


class Health:
    """Remembers when the database last answered. A health request reads that and never waits."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._name = name
        self._connection: AsyncConnection[Any] | None = None
        self._answered_at: float | None = None
        self.leaving = False

    def trouble(self) -> str:
        """Why there should be no traffic; empty when there should."""
        if self.leaving:
            return "leaving"
        if self._answered_at is None:
            return "the database has not answered yet"
        silent_s = asyncio.get_running_loop().time() - self._answered_at
        return f"the database has been silent for {silent_s:.0f} s" if silent_s > FORGIVEN_S else ""

    async def watch(self) -> None:
        """Asks until it is cancelled."""
        while True:
            try:
                async with asyncio.timeout(LIMIT_S):
                    await self._ask()
                self._answered_at = asyncio.get_running_loop().time()
            except (psycopg.Error, OSError, TimeoutError):
                await self.close()
            await asyncio.sleep(EVERY_S)

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _ask(self) -> None:
        if self._connection is None:
            # The server gives up as well: a client that only walks away leaves the question running.
            self._connection = await connect(self._url, f"{self._name} health", int(LIMIT_S * 1000))
        await self._connection.execute("SELECT 1")
