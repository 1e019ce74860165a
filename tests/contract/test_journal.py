from collections.abc import Iterator
from pathlib import Path

import pytest

from tminus.adapters.database.store import Store, sqlite_store
from tminus.testing.contract.journal import RING_SLOTS, JournalContract, JournalPorts
from tminus.testing.contract.journal_companions import JournalCompanionsContract
from tminus.testing.memory_journal import MemoryJournal


def over_store(store: Store) -> JournalPorts:
    return JournalPorts(
        store.journal,
        store.raw,
        store.book,
        store.claims,
        store.inbox,
        store.shelf,
        store.ring,
        store.history,
        store.evidence,
    )


class TestSqliteJournal(JournalContract, JournalCompanionsContract):
    @pytest.fixture
    def ports(self, tmp_path: Path) -> Iterator[JournalPorts]:
        store = sqlite_store(tmp_path / "journal.sqlite3", ring_slots=RING_SLOTS, history_points=RING_SLOTS)
        yield over_store(store)
        store.close()


class TestMemoryJournal(JournalContract, JournalCompanionsContract):
    @pytest.fixture
    def ports(self) -> JournalPorts:
        memory = MemoryJournal(ring_slots=RING_SLOTS, history_points=RING_SLOTS)
        return JournalPorts(memory, memory, memory, memory, memory, memory, memory, memory, memory)
