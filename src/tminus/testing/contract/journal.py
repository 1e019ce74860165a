"""What every implementation of the ports of `tminus.ports.journal` must do, whatever it stores them in."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from threading import Barrier

import pytest

from tminus.domain.canonical import NotCanonicalError
from tminus.domain.launch.chain import GENESIS, verify_records
from tminus.domain.watch.counts import Sample
from tminus.ports.fault import PortFault, Refused, Unavailable
from tminus.ports.journal import (
    Claims,
    Draft,
    EvidenceShelf,
    Head,
    History,
    Inbox,
    Journal,
    LaunchBook,
    LaunchRow,
    Order,
    RawRecords,
    SampleRing,
    Shelf,
    Snapshot,
)

LAUNCH = "shop-7"
RING_SLOTS = 5
"""Samples per launch that the ring under test must be made to keep, and minutes the history."""

ROW = LaunchRow(LAUNCH, "shop", "production", 1_000, open=True)
"""The launch that the suites open."""


@dataclass(frozen=True, slots=True)
class JournalPorts:
    """The ports under test, all over one empty storage; one object may stand in several places."""

    journal: Journal
    raw: RawRecords
    book: LaunchBook
    claims: Claims
    inbox: Inbox
    shelf: Shelf
    ring: SampleRing
    history: History
    evidence: EvidenceShelf


def draft(number: int) -> Draft:
    """An event that can be told from others, with text that tests the encoding."""
    return Draft(
        "noted", 1, 1_000 + number, {"number": number, "text": 'ü\u2028"\\\n\0😀', "list": [None, True]}
    )


def order(key: str) -> Order:
    """An order that can be told from others."""
    return Order(key, "hold", "ada", f"because of {key}", 2_000, argument="30m")


def code_of(call: Callable[[], object]) -> str:
    """Code of the fault that `call` must raise."""
    with pytest.raises(PortFault) as fault:
        call()
    return fault.value.code


class JournalContract:
    """The suite for events, their chain and the list of launches. Subclass it and override `ports`."""

    @pytest.fixture
    def ports(self) -> JournalPorts:
        """What to run the suite on."""
        raise NotImplementedError

    @pytest.fixture
    def opened(self, ports: JournalPorts) -> JournalPorts:
        """The ports with one open launch that has no events and no driver."""
        ports.book.open_launch(ROW, [])
        return ports

    def test_a_launch_without_events_stands_at_genesis(self, opened: JournalPorts) -> None:
        """So does one that was never opened."""
        assert opened.journal.head(LAUNCH) == Head(LAUNCH, 0, GENESIS)
        assert opened.journal.head("never") == Head("never", 0, GENESIS)
        assert list(opened.journal.read("never")) == []
        assert list(opened.raw.links("never")) == []

    def test_what_was_appended_is_read_in_order(self, opened: JournalPorts) -> None:
        """Every value arrives as it was given, chained and numbered from 1."""
        drafts = [draft(number) for number in range(5)]
        head = opened.journal.append(LAUNCH, 0, 0, drafts[:2])
        head = opened.journal.append(LAUNCH, 0, head.seq, drafts[2:])
        records = list(opened.journal.read(LAUNCH))
        assert [Draft(r.kind, r.version, r.at_ms, r.body) for r in records] == drafts
        assert [(r.launch, r.seq, r.epoch) for r in records] == [(LAUNCH, seq, 0) for seq in range(1, 6)]
        assert [r.prev for r in records] == [GENESIS, *(r.hash for r in records[:-1])]
        assert head == opened.journal.head(LAUNCH) == Head(LAUNCH, 5, records[-1].hash)

    def test_the_hash_is_that_of_the_specification(self, opened: JournalPorts) -> None:
        """Two implementations write the same chain: this value may never change."""
        head = opened.journal.append(LAUNCH, 0, 0, [Draft("opened", 1, 5, {"b": 1, "a": "ü"})])
        assert head.hash == "sha256:a01ceea2fb8fa42e769a7506141b2fefef488b4bb3ea3b61fc847caf42b058fd"

    def test_events_are_read_from_any_place(self, opened: JournalPorts) -> None:
        """The whole, the rest and nothing."""
        opened.journal.append(LAUNCH, 0, 0, [draft(number) for number in range(4)])
        for after_seq in range(5):
            seqs = [record.seq for record in opened.journal.read(LAUNCH, after_seq)]
            assert seqs == list(range(after_seq + 1, 5))

    def test_reading_after_an_event_that_is_not_there_is_refused(self, opened: JournalPorts) -> None:
        """Who read event 9 once and finds 2 now has lost events, which must not look like no news."""
        opened.journal.append(LAUNCH, 0, 0, [draft(1), draft(2)])
        assert code_of(lambda: opened.journal.read(LAUNCH, 9)) == "journal-corrupt"

    def test_the_stored_rows_verify(self, opened: JournalPorts) -> None:
        """Raw rows form the chain that the records show."""
        opened.journal.append(LAUNCH, 0, 0, [draft(number) for number in range(3)])
        links = opened.raw.links(LAUNCH)
        assert verify_records(links) == ()
        assert [link.hash for link in links] == [record.hash for record in opened.journal.read(LAUNCH)]

    def test_an_append_without_drafts_changes_nothing(self, opened: JournalPorts) -> None:
        """It is still checked, and returns the head."""
        head = opened.journal.append(LAUNCH, 0, 0, [draft(1)])
        assert opened.journal.append(LAUNCH, 0, 1, []) == head
        assert code_of(lambda: opened.journal.append(LAUNCH, 0, 0, [])) == "unexpected-sequence"

    def test_one_draft_that_cannot_be_stored_stops_all(self, opened: JournalPorts) -> None:
        """All or nothing."""
        bad = Draft("noted", 1, 1, {"half": 0.5})  # type: ignore[dict-item]  # a float is what must be refused
        with pytest.raises(NotCanonicalError):
            opened.journal.append(LAUNCH, 0, 0, [draft(1), bad])
        assert opened.journal.head(LAUNCH).seq == 0

    @pytest.mark.parametrize("after_seq", [0, 1, 3])
    def test_another_sequence_than_the_head_is_refused(self, opened: JournalPorts, after_seq: int) -> None:
        """Whoever decided on an older state decides again."""
        opened.journal.append(LAUNCH, 0, 0, [draft(1), draft(2)])
        assert (
            code_of(lambda: opened.journal.append(LAUNCH, 0, after_seq, [draft(3)])) == "unexpected-sequence"
        )
        assert [record.seq for record in opened.journal.read(LAUNCH)] == [1, 2]

    def test_an_epoch_other_than_that_of_the_last_claim_is_refused(self, opened: JournalPorts) -> None:
        """Late writes of a lost driver, and of one that never claimed."""
        first = opened.claims.claim(LAUNCH, "one", now_ms=0, lease_ms=10)
        assert first
        opened.journal.append(LAUNCH, first.epoch, 0, [draft(1)])
        second = opened.claims.claim(LAUNCH, "two", now_ms=10, lease_ms=10)
        assert second
        stale = [
            code_of(partial(opened.journal.append, LAUNCH, epoch, 1, [draft(2)]))
            for epoch in (0, first.epoch, second.epoch + 1)
        ]
        assert stale == ["stale-epoch"] * 3
        opened.journal.append(LAUNCH, second.epoch, 1, [draft(2)])
        assert [record.epoch for record in opened.journal.read(LAUNCH)] == [first.epoch, second.epoch]

    def test_of_appenders_at_once_exactly_one_wins(self, opened: JournalPorts) -> None:
        """Eight threads after the same event; the rest are refused or told to come back."""
        barrier = Barrier(8)

        def append(number: int) -> str:
            barrier.wait()
            try:
                opened.journal.append(LAUNCH, 0, 0, [draft(number), draft(number)])
            except (Refused, Unavailable) as fault:
                return fault.code
            return "won"

        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(append, range(8)))
        assert answers.count("won") == 1
        assert set(answers) <= {"won", "unexpected-sequence", "journal-busy"}
        first, second = opened.journal.read(LAUNCH)
        assert first.body == second.body

    def test_launches_have_chains_of_their_own(self, opened: JournalPorts) -> None:
        """Events of one never show in another."""
        opened.book.open_launch(replace(ROW, launch="other", service="blog"), [draft(1)])
        opened.journal.append(LAUNCH, 0, 0, [draft(2), draft(3)])
        assert opened.journal.head("other").seq == 1
        assert [record.launch for record in opened.journal.read("other")] == ["other"]
        assert [record.seq for record in opened.journal.read(LAUNCH)] == [1, 2]

    def test_writing_to_an_unknown_launch_is_refused(self, ports: JournalPorts) -> None:
        """Everywhere with the same code."""
        calls: list[Callable[[], object]] = [
            lambda: ports.journal.append("never", 0, 0, [draft(1)]),
            lambda: ports.book.close_launch("never", 0),
            lambda: ports.claims.claim("never", "one", 0, 10),
            lambda: ports.inbox.post("never", order("k")),
            lambda: ports.inbox.settle("never", ["k"]),
            lambda: ports.shelf.save_snapshot(Snapshot("never", 0, GENESIS, {})),
            lambda: ports.ring.add_sample("never", Sample(1, ())),
        ]
        assert [code_of(call) for call in calls] == ["launch-unknown"] * len(calls)

    def test_a_launch_is_opened_with_its_first_events(self, ports: JournalPorts) -> None:
        """In one step, before anybody drives it."""
        head = ports.book.open_launch(ROW, [draft(1), draft(2)])
        assert head == ports.journal.head(LAUNCH)
        assert [(record.seq, record.epoch) for record in ports.journal.read(LAUNCH)] == [(1, 0), (2, 0)]
        assert list(ports.book.launches()) == [ROW]

    def test_a_second_open_launch_of_a_place_is_refused_and_the_first_is_named(
        self, opened: JournalPorts
    ) -> None:
        """Nothing of the second remains."""
        with pytest.raises(Refused, match=LAUNCH) as refusal:
            opened.book.open_launch(replace(ROW, launch="second"), [draft(1)])
        assert refusal.value.code == "launch-running"
        assert list(opened.book.launches()) == [ROW]
        assert opened.journal.head("second").seq == 0

    def test_other_places_do_not_hinder_each_other(self, opened: JournalPorts) -> None:
        """Another service, or another environment."""
        blog = replace(ROW, launch="blog-1", service="blog", opened_ms=3_000)
        staging = replace(ROW, launch="shop-8", environment="staging", opened_ms=2_000)
        for row in (blog, staging):
            opened.book.open_launch(row, [])
        assert list(opened.book.launches()) == [ROW, staging, blog]
        assert list(opened.book.launches(service="shop")) == [ROW, staging]
        assert list(opened.book.launches(environment="production")) == [ROW, blog]
        assert list(opened.book.launches("shop", "staging")) == [staging]

    def test_a_name_is_taken_for_ever(self, opened: JournalPorts) -> None:
        """Also by a launch that has ended."""
        opened.book.close_launch(LAUNCH, 0)
        assert code_of(lambda: opened.book.open_launch(ROW, [])) == "launch-exists"

    def test_a_closed_launch_makes_room(self, opened: JournalPorts) -> None:
        """Closing twice is closing once; the events stay, and more may follow."""
        opened.book.close_launch(LAUNCH, 0)
        opened.book.close_launch(LAUNCH, 0)
        second = replace(ROW, launch="shop-8", opened_ms=2_000)
        opened.book.open_launch(second, [])
        assert list(opened.book.launches()) == [replace(ROW, open=False), second]
        assert opened.journal.append(LAUNCH, 0, 0, [draft(1)]).seq == 1

    def test_closing_under_a_stale_epoch_is_refused(self, opened: JournalPorts) -> None:
        """The launch stays open."""
        opened.claims.claim(LAUNCH, "one", now_ms=0, lease_ms=10)
        assert code_of(lambda: opened.book.close_launch(LAUNCH, 0)) == "stale-epoch"
        assert list(opened.book.launches()) == [ROW]

    def test_of_openers_at_once_exactly_one_wins(self, ports: JournalPorts) -> None:
        """Six people start the same release."""
        barrier = Barrier(6)

        def open_launch(number: int) -> str:
            barrier.wait()
            try:
                ports.book.open_launch(replace(ROW, launch=f"shop-{number}"), [draft(number)])
            except (Refused, Unavailable) as fault:
                return fault.code
            return "won"

        with ThreadPoolExecutor(6) as threads:
            answers = list(threads.map(open_launch, range(6)))
        assert answers.count("won") == 1
        assert set(answers) <= {"won", "launch-running", "journal-busy"}
        assert len(ports.book.launches()) == 1
