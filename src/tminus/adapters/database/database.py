"""A database and its transactions: the one place where a driver's errors become the three faults."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as NoConnectionLeft

from tminus.ports.fault import PortFault, Unavailable

MODE_OPTION = "tminus_mode"


class Mode(StrEnum):
    """What a transaction is for; the database's own module decides what that means to it.

    READ: a consistent view, never blocks writers. WRITE: durable when it returns. QUICK: may be lost with
    the power, for what may be lost.
    """

    READ = "read"
    WRITE = "write"
    QUICK = "quick"


FaultOf = Callable[[BaseException, bool], PortFault | None]
"""From a driver's error, and whether it came out of COMMIT, to the fault; None where it is a bug."""


class Database:
    """An engine that opens transactions and speaks in faults.

    Safe to share between threads: each transaction has a connection of its own.

    Args:
        engine: whose `begin` event reads the execution option MODE_OPTION.
        fault_of: tells the driver's errors apart by their codes.
    """

    def __init__(self, engine: Engine, fault_of: FaultOf) -> None:
        self._engine = engine
        self._fault_of = fault_of

    @contextmanager
    def transaction(self, mode: Mode) -> Iterator[Connection]:
        """A transaction that commits when the block ends and rolls back when it raises.

        Raises:
            Refused: `journal-corrupt`.
            Unavailable: nothing was written.
            Unknown: the commit failed in a way that leaves open whether it took effect.
            IntegrityError: a constraint was violated; the caller knows which can be.
        """
        committing = False
        try:
            with (
                self._engine.connect().execution_options(**{MODE_OPTION: mode}) as connection,
                connection.begin(),
            ):
                yield connection
                committing = True
        except IntegrityError:
            raise
        except NoConnectionLeft as error:
            raise Unavailable(
                "journal-busy", "every connection to the journal is in use: try again"
            ) from error
        except DBAPIError as error:
            fault = self._fault_of(error.orig or error, committing)
            if fault is None:
                raise
            raise fault from error

    def close(self) -> None:
        """Closes every connection; the database may be used again and then opens new ones."""
        self._engine.dispose()
