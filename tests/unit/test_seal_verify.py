"""Whoever can write to the database file tampers with it; each attempt must be found and named."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tminus.adapters.database.store import Store, sqlite_store
from tminus.adapters.seal.head import HeadSeal
from tminus.adapters.seal.key import SealKey
from tminus.adapters.seal.verify import Verification, verify_launch
from tminus.domain.launch.chain import GENESIS, event_hash
from tminus.domain.readiness.verdict import Outcome
from tminus.ports.journal import Draft, Head, LaunchRow

LAUNCH = "shop-7"
EVENTS = 10


class Scene:
    """A launch of ten events, sealed at the tenth, in a file that anybody may tamper with."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "journal.sqlite3"
        self.store: Store = sqlite_store(self.path)
        self.seal = HeadSeal(SealKey(folder / "keys" / "seal.pem"), folder / "heads")
        self.store.book.open_launch(LaunchRow(LAUNCH, "shop", "production", 1, open=True), [])
        drafts = [Draft("noted", 1, 1_000 + number, {"number": number}) for number in range(1, EVENTS + 1)]
        self.head = self.store.journal.append(LAUNCH, 0, 0, drafts)
        self.seal.seal(self.head, at_ms=5)

    def verify(self, *witnesses: Head, sealed: bool = True) -> Verification:
        return verify_launch(self.store.raw, LAUNCH, self.seal if sealed else None, witnesses)

    def found(self, *, sealed: bool = True) -> list[tuple[str, int, int]]:
        verification = self.verify(sealed=sealed)
        assert all(finding.launch == LAUNCH for finding in verification.findings)
        return [(finding.code, finding.seq, finding.until_seq) for finding in verification.findings]

    def tamper(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            for (name,) in connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'trigger'"
            ).fetchall():
                connection.execute(f"DROP TRIGGER {name}")
            for statement in statements:
                connection.execute(statement)

    def shift(self, first: int, last: int, by: int) -> None:
        """Renumbers events, in the order that keeps every number unique."""
        seqs = range(last, first - 1, -1) if by > 0 else range(first, last + 1)
        self.tamper(*(f"UPDATE events SET seq = {seq + by} WHERE seq = {seq}" for seq in seqs))

    def rewrite(self, first: int, body: bytes, *, until: int = EVENTS) -> None:
        """Changes the body of one event and computes all hashes anew from there on, as the engine would."""
        links = {link.seq: link for link in self.store.raw.links(LAUNCH)}
        prev = links[first - 1].hash if first > 1 else GENESIS
        for seq in range(first, until + 1):
            link = links[seq]
            text = body if seq == first else link.body.encode()
            hashed = event_hash(LAUNCH, seq, link.kind, link.version, link.at_ms, link.epoch, text, prev)
            self.tamper(
                f"UPDATE events SET body = '{text.decode()}', prev = '{prev}', hash = '{hashed}' "
                f"WHERE seq = {seq}"
            )
            prev = hashed


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.store.close()


def test_an_untouched_journal_passes(scene: Scene) -> None:
    verification = scene.verify()
    assert verification.outcome is Outcome.PASS
    assert (verification.events, verification.head_seq, verification.head_hash) == (10, 10, scene.head.hash)
    assert verification.witnessed_seq == 10
    assert verification.problems() == ()


def test_a_journal_that_went_on_after_the_seal_passes(scene: Scene) -> None:
    scene.store.journal.append(LAUNCH, 0, EVENTS, [Draft("noted", 1, 2_000, {})])
    assert scene.verify().outcome is Outcome.PASS


def test_without_a_witness_the_answer_is_inconclusive(scene: Scene) -> None:
    assert scene.verify(sealed=False).outcome is Outcome.INCONCLUSIVE


def test_an_edited_body_is_named_with_what_to_do(scene: Scene) -> None:
    scene.tamper("""UPDATE events SET body = '{"number":99}' WHERE seq = 4""")
    (problem,) = scene.verify().problems()
    assert problem.text() == (
        "error[event-edited]: the journal of launch shop-7 was damaged\n"
        "  where: shop-7, event 4\n"
        "    why: The content of event 4 does not fit its hash.\n"
        "    fix: Stop the agent, keep a copy of the journal as evidence, trust nothing from event 4 on, "
        "and restore the newest backup that verifies."
    )


@pytest.mark.parametrize(
    "change",
    [
        "kind = 'voted'",
        "version = 2",
        "at_ms = 1",
        "epoch = 9",
        "at_ms = 'noon'",
        "body = x'ff'",
        "kind = CAST(x'ff' AS TEXT)",
        "body = '{\"number\": 4}'",
    ],
)
def test_any_edited_column_is_found(scene: Scene, change: str) -> None:
    scene.tamper(f"UPDATE events SET {change} WHERE seq = 4")
    assert scene.found() == [("event-edited", 4, 4)]


def test_a_body_edited_with_its_hash_breaks_the_chain(scene: Scene) -> None:
    scene.rewrite(4, b'{"number":99}', until=4)
    assert scene.found() == [("event-replaced", 4, 4)]
    assert scene.verify().findings[0].why == (
        "Event 5 was written after another event 4 than the one that stands here: "
        "event 4 was replaced, or event 5 and what follows do not belong here."
    )


def test_a_first_event_edited_with_its_hash_breaks_the_chain(scene: Scene) -> None:
    scene.rewrite(1, b"{}", until=3)
    assert scene.found() == [("event-replaced", 3, 3)]


def test_events_cut_off_are_found_through_the_sealed_head(scene: Scene) -> None:
    scene.tamper("DELETE FROM events WHERE seq > 7")
    assert scene.found(sealed=False) == []
    assert scene.found() == [("journal-cut", 8, 10)]
    assert scene.verify().problems()[0].why == (
        "The journal ends at event 7, but its head was witnessed at event 10: 3 or more events were cut off."
    )


def test_a_journal_cut_off_and_continued_is_found(scene: Scene) -> None:
    scene.tamper("DELETE FROM events WHERE seq > 7")
    scene.store.journal.append(LAUNCH, 0, 7, [Draft("noted", 1, 9, {}) for _ in range(5)])
    assert scene.found(sealed=False) == []
    assert scene.found() == [("journal-rewritten", 10, 10)]


def test_a_journal_that_was_emptied_is_found(scene: Scene) -> None:
    scene.tamper("DELETE FROM events")
    assert scene.found() == [("journal-cut", 1, 10)]


@pytest.mark.parametrize(
    ("statement", "finding"),
    [
        ("DELETE FROM events WHERE seq = 4", ("event-missing", 4, 4)),
        ("DELETE FROM events WHERE seq BETWEEN 4 AND 6", ("event-missing", 4, 6)),
        ("DELETE FROM events WHERE seq = 1", ("event-missing", 1, 1)),
    ],
)
def test_events_that_are_missing_are_named(
    scene: Scene, statement: str, finding: tuple[str, int, int]
) -> None:
    scene.tamper(statement)
    assert scene.found() == [finding]


def test_a_deleted_event_whose_gap_was_closed_is_found(scene: Scene) -> None:
    scene.tamper("DELETE FROM events WHERE seq = 4")
    scene.shift(5, 10, by=-1)
    assert scene.found() == [("event-edited", 4, 9), ("journal-cut", 10, 10)]


def test_two_swapped_events_are_named_with_their_places(scene: Scene) -> None:
    scene.tamper(
        "UPDATE events SET seq = 99 WHERE seq = 4",
        "UPDATE events SET seq = 4 WHERE seq = 7",
        "UPDATE events SET seq = 7 WHERE seq = 99",
    )
    assert scene.found() == [("event-moved", 4, 4), ("event-moved", 7, 7)]
    assert [finding.why for finding in scene.verify().findings] == [
        "The event at place 4 was written as event 7.",
        "The event at place 7 was written as event 4.",
    ]


def test_two_swapped_bodies_are_two_edited_events(scene: Scene) -> None:
    scene.tamper(
        """UPDATE events SET body = '{"number":7}' WHERE seq = 4""",
        """UPDATE events SET body = '{"number":4}' WHERE seq = 7""",
    )
    assert scene.found() == [("event-edited", 4, 4), ("event-edited", 7, 7)]


def test_a_foreign_event_put_between_others_is_named(scene: Scene) -> None:
    links = {link.seq: link for link in scene.store.raw.links(LAUNCH)}
    scene.shift(5, 10, by=1)
    forged = event_hash(LAUNCH, 5, "noted", 1, 1, 0, b"{}", links[4].hash)
    scene.tamper(
        f"INSERT INTO events VALUES ('{LAUNCH}', 5, 'noted', 1, 1, 0, '{{}}', '{links[4].hash}', '{forged}')"
    )
    assert scene.found() == [("event-foreign", 5, 5), ("event-moved", 6, 11), ("journal-rewritten", 10, 10)]
    assert scene.verify().findings[1].why == "The events at places 6 to 11 were written 1 earlier."


def test_a_foreign_event_before_the_first_is_named(scene: Scene) -> None:
    with closing(sqlite3.connect(scene.path, isolation_level=None)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        forged = event_hash(LAUNCH, 0, "noted", 1, 1, 0, b"{}", GENESIS)
        connection.execute(
            f"INSERT INTO events VALUES ('{LAUNCH}', 0, 'noted', 1, 1, 0, '{{}}', '{GENESIS}', '{forged}')"
        )
    assert scene.found() == [("event-foreign", 0, 0)]


def test_a_foreign_event_appended_without_the_chain_is_named(scene: Scene) -> None:
    forged = event_hash(LAUNCH, 11, "noted", 1, 1, 0, b"{}", GENESIS)
    scene.tamper(
        f"INSERT INTO events VALUES ('{LAUNCH}', 11, 'noted', 1, 1, 0, '{{}}', '{GENESIS}', '{forged}')"
    )
    assert scene.found() == [("event-replaced", 10, 10)]


@pytest.mark.parametrize("first", [1, 4, 10])
def test_a_chain_written_anew_from_an_edit_on_is_found_through_the_sealed_head(
    scene: Scene, first: int
) -> None:
    scene.rewrite(first, b'{"number":99}')
    assert scene.found(sealed=False) == []
    assert scene.found() == [("journal-rewritten", 10, 10)]
    assert scene.verify().findings[0].fix == (
        "Stop the agent, keep a copy of the journal as evidence, "
        f"restore a backup whose event 10 has hash {scene.head.hash}."
    )


def test_a_noted_head_serves_as_a_witness_without_a_seal(scene: Scene) -> None:
    noted = scene.head
    assert verify_launch(scene.store.raw, LAUNCH, None, [noted]).outcome is Outcome.PASS
    scene.rewrite(4, b'{"number":99}')
    verification = verify_launch(scene.store.raw, LAUNCH, None, [noted])
    assert [finding.code for finding in verification.findings] == ["journal-rewritten"]


def test_two_witnesses_that_say_the_same_are_one_finding(scene: Scene) -> None:
    scene.rewrite(4, b'{"number":99}')
    assert len(scene.verify(scene.head).findings) == 1


def test_a_forged_sealed_head_is_not_believed(scene: Scene, tmp_path: Path) -> None:
    scene.rewrite(4, b'{"number":99}')
    (tmp_path / "heads" / f"{LAUNCH}.json").unlink()
    HeadSeal(SealKey(tmp_path / "forger.pem"), tmp_path / "heads").seal(
        scene.store.journal.head(LAUNCH), at_ms=6
    )
    verification = scene.verify()
    assert verification.outcome is Outcome.FAIL
    assert [problem.code for problem in verification.problems()] == ["seal-foreign"]
    assert verification.witnessed_seq == 0


def test_a_launch_that_was_never_sealed_is_inconclusive(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "heads" / f"{LAUNCH}.json").unlink()
    assert scene.verify().outcome is Outcome.INCONCLUSIVE
