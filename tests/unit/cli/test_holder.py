"""Who holds a launch, read from the database and never changed."""

from pathlib import Path

from tminus.adapters.database.holder import read_holder
from tminus.adapters.database.store import sqlite_store
from tminus.ports.journal import Draft, LaunchRow, Lease


def test_the_holder_is_whoever_claimed_last_until_it_gives_the_launch_back(tmp_path: Path) -> None:
    store = sqlite_store(tmp_path / "journal.db")
    try:
        row = LaunchRow("w", "sim", "production", 0, open=True)
        store.book.open_launch(row, [Draft("launch-planned", 1, 0, {})])
        assert read_holder(store.database, "w") is None
        lease = store.claims.claim("w", "host:17", 1_000, 5_000)
        assert read_holder(store.database, "w") == lease == Lease("w", "host:17", 1, 6_000)
        # A lease that has lapsed is shown too; who asks compares it with the time.
        assert store.claims.claim("w", "host:18", 7_000, 5_000) == Lease("w", "host:18", 2, 12_000)
        held = read_holder(store.database, "w")
        assert held == Lease("w", "host:18", 2, 12_000)
        store.claims.release(held)
        assert read_holder(store.database, "w") is None
    finally:
        store.close()
