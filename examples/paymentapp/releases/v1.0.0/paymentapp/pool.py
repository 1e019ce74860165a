"""A few connections to the database, opened when they are needed and kept."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncConnection
from psycopg.pq import TransactionStatus

SIZE = 4  # three instances of two slots and their workers stay far below PostgreSQL's hundred
WAIT_S = 3.0  # a request that finds no connection by then is told so
CONNECT_LIMIT_S = 3
STATEMENT_LIMIT_MS = 5_000


class BusyError(Exception):
    """Every connection was in use for too long."""


async def connect(url: str, name: str, statement_limit_ms: int = STATEMENT_LIMIT_MS) -> AsyncConnection[Any]:
    return await AsyncConnection.connect(
        url,
        autocommit=True,  # every request is one statement; nothing is left open by mistake
        connect_timeout=CONNECT_LIMIT_S,
        application_name=name,
        options=f"-c statement_timeout={statement_limit_ms}",
    )


class Pool:
    """Hands out connections, each to one request at a time."""

    def __init__(self, url: str, name: str, size: int = SIZE) -> None:
        self._url = url
        self._name = name
        self._free = asyncio.Semaphore(size)
        self._idle: list[AsyncConnection[Any]] = []

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection[Any]]:
        """A connection that is given back at the end, or thrown away when it broke."""
        try:
            async with asyncio.timeout(WAIT_S):
                await self._free.acquire()
        except TimeoutError:
            raise BusyError from None
        try:
            connection = await self._take()
            try:
                yield connection
            finally:
                await self._give_back(connection)
        finally:
            self._free.release()

    async def one(self, sql: str, parameters: dict[str, object]) -> tuple[Any, ...] | None:
        """The first row of a statement's answer."""
        async with self.connection() as connection:
            cursor = await connection.execute(sql, parameters)  # type: ignore[arg-type]  # ours, never a user's
            return await cursor.fetchone()

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop().close()

    async def _take(self) -> AsyncConnection[Any]:
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                return connection
        return await connect(self._url, self._name)

    async def _give_back(self, connection: AsyncConnection[Any]) -> None:
        if connection.info.transaction_status is TransactionStatus.IDLE:
            self._idle.append(connection)
        else:
            await connection.close()
