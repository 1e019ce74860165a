"""`python3 -m paymentapp.worker`: settles accepted payments until SIGTERM. Any number may run at once."""

import signal
import sys
import threading

import psycopg

from paymentapp.settings import Settings, from_environment

BATCH = 50
IDLE_S = 0.2  # between two looks when there is nothing to settle
RETRY_S = 1.0  # after the database did not answer
CONNECT_LIMIT_S = 3

# Rows that another worker holds are passed over: nobody waits, and nothing is settled twice.
SETTLE = """
    UPDATE payments SET settled_at = now(), settled_version = %(version)s, settled_slot = %(slot)s
    WHERE id IN (
        SELECT id FROM payments WHERE settled_at IS NULL AND status = 'accepted'
        ORDER BY id LIMIT %(batch)s FOR UPDATE SKIP LOCKED
    )
"""


def work(settings: Settings, stop: threading.Event) -> int:
    """Settles until it is told to stop, the batch under way included; returns how many it settled."""
    settled = 0
    while not stop.is_set():
        try:
            with psycopg.connect(
                settings.database_url,
                autocommit=True,
                connect_timeout=CONNECT_LIMIT_S,
                application_name=f"paymentapp {settings.version} {settings.slot} worker",
            ) as connection:
                while not stop.is_set():
                    count = _settle(connection, settings)
                    settled += count
                    if count < BATCH:
                        stop.wait(IDLE_S)
        except psycopg.OperationalError as error:
            print(f"the database does not answer: {type(error).__name__}", file=sys.stderr, flush=True)
            stop.wait(RETRY_S)
    return settled


def _settle(connection: psycopg.Connection, settings: Settings) -> int:
    values = {"batch": BATCH, "version": settings.version, "slot": settings.slot}
    return connection.execute(SETTLE, values).rowcount


def main() -> None:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    print("settling payments", flush=True)
    print(f"settled {work(from_environment(), stop)} payments", flush=True)


if __name__ == "__main__":
    main()
