"""The book of upkeep beside the journal: order, durability, and journals of before there was one."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tminus.adapters.database.store import Store, sqlite_store
from tminus.ports.journal import Draft, LaunchRow

pytestmark = pytest.mark.req("R16")

ROW = LaunchRow("shop-7", "shop", "production", 1_000, open=True)


def bodies(store: Store, environment: str = "production", newest: int | None = None) -> list[object]:
    return [entry.body for entry in store.upkeep.notes("shop", environment, newest)]


def test_notes_are_read_in_the_order_in_which_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    store = sqlite_store(path)
    for number in range(3):
        store.upkeep.add_note("shop", "production", "noted", 1_000 - number, {"number": number})
    store.upkeep.add_note("shop", "staging", "noted", 1, {"number": 9})
    store.close()
    again = sqlite_store(path)
    assert bodies(again) == [{"number": 0}, {"number": 1}, {"number": 2}]
    assert bodies(again, newest=2) == [{"number": 1}, {"number": 2}]
    assert bodies(again, "staging") == [{"number": 9}]
    assert [entry.at_ms for entry in again.upkeep.notes("shop", "production")] == [1_000, 999, 998]
    again.close()


def test_a_journal_of_before_gets_its_book_and_keeps_its_chains(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    store = sqlite_store(path)
    store.book.open_launch(ROW, [Draft("noted", 1, 1_000, {"number": 1})])
    store.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE upkeep")
    again = sqlite_store(path)
    again.upkeep.add_note("shop", "production", "noted", 1_000, {"number": 1})
    assert bodies(again) == [{"number": 1}]
    assert [record.seq for record in again.journal.read("shop-7")] == [1]
    again.close()
