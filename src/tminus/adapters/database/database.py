"""A database and its transactions: the one place where a driver's errors become the three faults."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from enum import StrEnum
from threading import Lock

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
        one_writer_within_s: where the database admits one writer at a time, seconds that one waits for those
            of this process; None where it admits many.
    """

    def __init__(self, engine: Engine, fault_of: FaultOf, one_writer_within_s: float | None = None) -> None:
        self._engine = engine
        self._fault_of = fault_of
        self._one_writer_within_s = one_writer_within_s
        self._writing = Lock()

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
        options = {MODE_OPTION: mode}
        try:
            with (
                self._turn(mode),
                self._engine.connect().execution_options(**options) as connection,
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

    def _turn(self, mode: Mode) -> AbstractContextManager[None]:
        if mode is Mode.READ or self._one_writer_within_s is None:
            return nullcontext()
        return self._queued(self._one_writer_within_s)

    @contextmanager
    def _queued(self, limit_s: float) -> Iterator[None]:
        # Threads that wait for a lock of their own are woken at once. Waiting for the file's, they sleep and
        # try again, ever longer: with eight of them, one in a hundred appends then takes half a second.
        if not self._writing.acquire(timeout=limit_s):
            raise Unavailable(
                "journal-busy", f"others of this process wrote for more than {limit_s:g} s: try again"
            )
        try:
            yield
        finally:
            self._writing.release()

    def close(self) -> None:
        """Closes every connection; the database may be used again and then opens new ones."""
        self._engine.dispose()
