"""Connections to one database, each with a limit on everything. Must not let a password out."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict

from tminus.ports.fault import PortFault, Refused, Unavailable

APPLICATION = "tminus"
CONNECT_LIMIT_S = 5  # a server that takes longer is not one to launch against
_LOOK_S = 0.1  # how often a wish to stop is looked at
_WHY_LIMIT = 300  # characters of what PostgreSQL says
_MASK = "[secret]"
_CHECK_MS = 1_000  # how soon the server notices in a long statement that its client has gone
_CHECK_SINCE = 140_000  # the version that can, and that ends idle sessions when told to

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Address:
    """Where a database is, as its connection string says. Shows nothing of it when printed."""

    url: str = field(repr=False)
    parts: Mapping[str, Any] = field(repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Texts that must be shown nowhere."""
        password = str(self.parts.get("password") or "")
        return tuple(text for text in (self.url, password, quote(password, safe="")) if text)

    def scrubbed(self, text: str) -> str:
        """`text` on one line, without anything secret, and not too long."""
        for secret in self.secrets:
            text = text.replace(secret, _MASK)
        text = " ".join(text.split())
        return text if len(text) <= _WHY_LIMIT else f"{text[:_WHY_LIMIT]}…"

    def environment(self, server_version: int) -> dict[str, str]:
        """The connection as variables that PostgreSQL's own programs read: argument lists are public."""
        names = {
            option.keyword.decode(): option.envvar.decode()
            for option in psycopg.pq.Conninfo.get_defaults()
            if option.envvar
        }
        own = {names[name]: str(value) for name, value in self.parts.items() if name in names}
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LC_ALL": "C",
            **own,
            "PGOPTIONS": f"{check_options(server_version)} {own.get('PGOPTIONS', '')}".strip(),
            "PGAPPNAME": APPLICATION,
            "PGCONNECT_TIMEOUT": str(CONNECT_LIMIT_S),
        }


def check_options(server_version: int) -> str:
    """Options with which the server ends a statement soon after its client has gone; empty for old ones."""
    return f"-c client_connection_check_interval={_CHECK_MS}" if server_version >= _CHECK_SINCE else ""


def parse_address(url: str) -> Address:
    """The address in a connection string; a driver's name as in `postgresql+psycopg://` is left out.

    Raises:
        Refused: `database-url-invalid`, without a word of the string.
    """
    scheme, mark, rest = url.strip().partition("://")
    plain = f"{scheme.partition('+')[0]}{mark}{rest}" if mark else url.strip()
    parts: Mapping[str, Any] | None = None
    if not mark or plain.startswith(("postgresql://", "postgres://")):
        with contextlib.suppress(psycopg.Error, ValueError):  # their texts quote the string
            parts = conninfo_to_dict(plain)
    if parts is None:
        why = (
            "the database's connection string cannot be read; write postgresql://USER:PASSWORD@HOST/DATABASE"
        )
        raise Refused("database-url-invalid", why)
    return Address(plain, parts)


def connect(address: Address, *, database: str = "", read_only: bool = False) -> Connection:
    """A connection in autocommit, with output settings that give one value one text.

    Raises:
        Unavailable: `database-unreachable`.
    """
    parts = {**address.parts, "application_name": APPLICATION, "connect_timeout": CONNECT_LIMIT_S}
    if database:
        parts["dbname"] = database
    settings = "-c datestyle=ISO,YMD -c intervalstyle=postgres -c extra_float_digits=3 -c timezone=UTC"
    if read_only:
        settings += " -c default_transaction_read_only=on"
    parts["options"] = f"{parts.get('options') or ''} {settings}".strip()
    try:
        connection = psycopg.connect(**parts, autocommit=True)
    except psycopg.Error as error:
        why = address.scrubbed(str(error))
        raise Unavailable("database-unreachable", f"no connection to the database: {why}") from None
    if connection.info.server_version >= _CHECK_SINCE:
        with faults(address):
            connection.execute("SET idle_session_timeout = 0")
            connection.execute(f"SET client_connection_check_interval = {_CHECK_MS}".encode())
    return connection


@contextlib.contextmanager
def faults(address: Address, fallback: str = "database-refused") -> Iterator[None]:
    """Turns what PostgreSQL says into a fault, by its SQLSTATE.

    Raises:
        Refused: `fallback`: PostgreSQL will say the same again.
        Unavailable: `database-unreachable`, `database-slow`, `disk-full`.
    """
    try:
        yield
    except psycopg.Error as error:
        raise fault_of(error, address, fallback) from None


def fault_of(error: psycopg.Error, address: Address, fallback: str) -> PortFault:
    """The fault behind an error of psycopg; only what syntax and access errors say is quoted."""
    state = error.sqlstate or ""
    told = address.scrubbed(error.diag.message_primary or "")
    if state == "53100":
        return Unavailable("disk-full", f"the database server has no disk space left ({state})")
    if state in ("57014", "55P03", "40001", "40P01"):  # cancelled, lock not available, lost to another
        return Unavailable("database-slow", f"no answer within the time limit ({state})")
    if not state or state[:2] in ("08", "53", "58") or state in ("57P01", "57P02", "57P03", "57P05", "25P03"):
        why = f"the connection to the database ended ({state or type(error).__name__})"
        return Unavailable("database-unreachable", why)
    if state[:2] == "42" or state == "25006":  # a mistake in the text, or a change in a read-only transaction
        return Refused(fallback, f"PostgreSQL refuses it: {told} ({state})")
    # What other errors say may quote rows, and rows belong to customers.
    return Refused(fallback, f"PostgreSQL refuses it: {type(error).__name__} ({state})")


@contextlib.contextmanager
def limited(
    connection: Connection, limit_ms: int | None = None, stop: threading.Event | None = None
) -> Iterator[None]:
    """Cuts the connection when the block takes longer, or is told to stop.

    A server that hangs answers no cancel either, so the socket itself is shut down; the call that waits on
    it then fails as it would if the server had gone.

    Raises:
        Unavailable: `database-slow` or `database-stopped`, in place of what the cut made fail.
    """
    over = threading.Event()
    reasons: list[str] = []
    ends_at = None if limit_ms is None else time.monotonic() + limit_ms / 1000

    def watch() -> None:
        while not over.wait(
            _LOOK_S if ends_at is None else min(_LOOK_S, max(0.0, ends_at - time.monotonic()))
        ):
            late = ends_at is not None and time.monotonic() >= ends_at
            if late or (stop is not None and stop.is_set()):
                reasons.append("late" if late else "stop")
                cut(connection)
                return

    watcher = threading.Thread(target=watch, name="limit", daemon=True)
    watcher.start()
    try:
        yield
    except (psycopg.Error, PortFault):
        if reasons:
            raise _cut_fault(reasons[0], limit_ms) from None
        raise
    finally:
        over.set()
        watcher.join()


def _cut_fault(why: str, limit_ms: int | None) -> Unavailable:
    if why == "stop":
        return Unavailable("database-stopped", "told to stop")
    return Unavailable("database-slow", f"no answer within {limit_ms} ms")


def cut(connection: Connection) -> None:
    """Ends the connection under whoever waits on it; it is still theirs to close."""
    with contextlib.suppress(OSError, psycopg.Error):
        duplicate = socket.socket(fileno=socket.dup(connection.fileno()))
        with duplicate:
            duplicate.shutdown(socket.SHUT_RDWR)
