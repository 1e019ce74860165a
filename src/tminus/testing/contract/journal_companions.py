"""What every implementation of the ports beside the events must do: claims, orders, snapshots and samples."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from tminus.domain.launch.slot import Slot
from tminus.domain.watch.counts import ClassCounts, Counts, Sample
from tminus.domain.watch.history import POINT_MS, Figure, Point
from tminus.ports.fault import Unavailable
from tminus.ports.journal import GENESIS, KeptEvidence, Lease, Order, Snapshot
from tminus.testing.contract.journal import LAUNCH, RING_SLOTS, ROW, JournalPorts, order


class JournalCompanionsContract:
    """The suite. Subclass it and override `ports`."""

    @pytest.fixture
    def ports(self) -> JournalPorts:
        """What to run the suite on: an empty storage, RING_SLOTS samples per launch."""
        raise NotImplementedError

    @pytest.fixture
    def opened(self, ports: JournalPorts) -> JournalPorts:
        """The ports with one open launch that has no events and no driver."""
        ports.book.open_launch(ROW, [])
        return ports

    def test_a_free_launch_is_claimed(self, opened: JournalPorts) -> None:
        """The first epoch is 1: 0 is that of a launch nobody has claimed."""
        assert opened.claims.claim(LAUNCH, "one", now_ms=100, lease_ms=10) == Lease(LAUNCH, "one", 1, 110)

    def test_a_held_launch_is_claimed_by_nobody_else(self, opened: JournalPorts) -> None:
        """Up to the last millisecond of the lease."""
        opened.claims.claim(LAUNCH, "one", now_ms=100, lease_ms=10)
        assert opened.claims.claim(LAUNCH, "two", now_ms=109, lease_ms=10) is None
        assert opened.claims.claim(LAUNCH, "two", now_ms=110, lease_ms=10) == Lease(LAUNCH, "two", 2, 120)

    def test_the_owner_claims_again_under_a_new_epoch(self, opened: JournalPorts) -> None:
        """A restarted agent fences its own earlier life."""
        opened.claims.claim(LAUNCH, "one", now_ms=100, lease_ms=10)
        assert opened.claims.claim(LAUNCH, "one", now_ms=101, lease_ms=10) == Lease(LAUNCH, "one", 2, 111)

    def test_a_lease_is_renewed_while_nobody_claimed(self, opened: JournalPorts) -> None:
        """Also after it ran out: nobody was waiting. The epoch stays."""
        lease = opened.claims.claim(LAUNCH, "one", now_ms=100, lease_ms=10)
        assert lease
        assert opened.claims.renew(lease, now_ms=105, lease_ms=10) == Lease(LAUNCH, "one", 1, 115)
        assert opened.claims.claim(LAUNCH, "two", now_ms=114, lease_ms=10) is None
        assert opened.claims.renew(lease, now_ms=500, lease_ms=10) == Lease(LAUNCH, "one", 1, 510)

    def test_a_lost_lease_is_neither_renewed_nor_given_back(self, opened: JournalPorts) -> None:
        """The new holder is not disturbed."""
        lost = opened.claims.claim(LAUNCH, "one", now_ms=100, lease_ms=10)
        held = opened.claims.claim(LAUNCH, "two", now_ms=110, lease_ms=10)
        assert lost
        assert held
        assert opened.claims.renew(lost, now_ms=111, lease_ms=10) is None
        opened.claims.release(lost)
        assert opened.claims.claim(LAUNCH, "three", now_ms=112, lease_ms=10) is None
        assert opened.claims.renew(held, now_ms=112, lease_ms=10) == Lease(LAUNCH, "two", 2, 122)

    def test_a_released_launch_is_claimed_at_once(self, opened: JournalPorts) -> None:
        """The epoch goes on rising, and the released lease is no lease any more."""
        lease = opened.claims.claim(LAUNCH, "one", now_ms=100, lease_ms=10)
        assert lease
        opened.claims.release(lease)
        opened.claims.release(lease)
        assert opened.claims.renew(lease, now_ms=101, lease_ms=10) is None
        assert opened.claims.claim(LAUNCH, "two", now_ms=101, lease_ms=10) == Lease(LAUNCH, "two", 2, 111)

    def test_of_claimers_at_once_exactly_one_wins(self, opened: JournalPorts) -> None:
        """Six agents find the same launch."""
        barrier = Barrier(6)

        def claim(number: int) -> Lease | None:
            barrier.wait()
            try:
                return opened.claims.claim(LAUNCH, f"agent-{number}", now_ms=0, lease_ms=10)
            except Unavailable:
                return None

        with ThreadPoolExecutor(6) as threads:
            leases = [lease for lease in threads.map(claim, range(6)) if lease]
        assert [lease.epoch for lease in leases] == [1]

    def test_orders_wait_in_the_order_they_were_given(self, opened: JournalPorts) -> None:
        """Every value arrives as it was given, whatever its key or its time."""
        given = [order("z"), Order("a", "slip", "ü@x", 'in "their" words', 1, "2026-01-01T22:30"), order("m")]
        for one in given:
            opened.inbox.post(LAUNCH, one)
        assert list(opened.inbox.orders(LAUNCH)) == given
        assert list(opened.inbox.orders("never")) == []

    def test_the_same_key_twice_is_one_order(self, opened: JournalPorts) -> None:
        """The first stands, whatever the second says; another launch has keys of its own."""
        opened.book.open_launch(type(ROW)("other", "blog", "production", 1, open=True), [])
        opened.inbox.post(LAUNCH, order("k"))
        opened.inbox.post(LAUNCH, Order("k", "abort", "eve", "", 9))
        opened.inbox.post("other", order("k"))
        assert list(opened.inbox.orders(LAUNCH)) == [order("k")]
        assert list(opened.inbox.orders("other")) == [order("k")]

    def test_settled_orders_are_gone(self, opened: JournalPorts) -> None:
        """Settling twice, nothing, or what was never posted harms nobody."""
        for key in "abc":
            opened.inbox.post(LAUNCH, order(key))
        opened.inbox.settle(LAUNCH, ["a", "c", "unknown"])
        opened.inbox.settle(LAUNCH, ["a"])
        opened.inbox.settle(LAUNCH, [])
        assert list(opened.inbox.orders(LAUNCH)) == [order("b")]

    def test_a_settled_order_is_not_given_again_by_its_key(self, opened: JournalPorts) -> None:
        """Who posts again because the answer got lost must not hold the launch a second time."""
        opened.inbox.post(LAUNCH, order("k"))
        opened.inbox.settle(LAUNCH, ["k"])
        opened.inbox.post(LAUNCH, order("k"))
        assert list(opened.inbox.orders(LAUNCH)) == []

    def test_the_newest_snapshot_is_kept(self, opened: JournalPorts) -> None:
        """An older one that comes late does not replace it."""
        assert opened.shelf.snapshot(LAUNCH) is None
        early = Snapshot(LAUNCH, 3, GENESIS, {"phase": "poll"})
        late = Snapshot(LAUNCH, 8, GENESIS, {"phase": "baking", "at": [1, None, "ü"]})
        opened.shelf.save_snapshot(early)
        assert opened.shelf.snapshot(LAUNCH) == early
        opened.shelf.save_snapshot(late)
        opened.shelf.save_snapshot(early)
        assert opened.shelf.snapshot(LAUNCH) == late
        assert opened.shelf.snapshot("never") is None

    def test_the_newest_evidence_is_kept(self, opened: JournalPorts) -> None:
        """Whole, whatever it says; that of an older sample does not replace it, the same sample's does."""
        assert opened.evidence.evidence(LAUNCH) is None
        early = KeptEvidence(LAUNCH, 1_000, "early")
        late = KeptEvidence(LAUNCH, 9_000, 'ü "\n ' + "x" * 100_000)
        opened.evidence.keep_evidence(early)
        assert opened.evidence.evidence(LAUNCH) == early
        opened.evidence.keep_evidence(late)
        opened.evidence.keep_evidence(early)
        assert opened.evidence.evidence(LAUNCH) == late
        again = KeptEvidence(LAUNCH, 9_000, "the same moment, with another share")
        opened.evidence.keep_evidence(again)
        assert opened.evidence.evidence(LAUNCH) == again
        assert opened.evidence.evidence("never") is None

    def test_samples_are_kept_as_given_and_read_from_a_time_on(self, opened: JournalPorts) -> None:
        """Oldest first, the given instant included."""
        counts = Counts(7, 1, 6, tuple(range(13)))
        given = [
            Sample(
                at_ms, (ClassCounts(Slot.GREEN, 2, "payment", counts), ClassCounts(Slot.BLUE, 2, "", counts))
            )
            for at_ms in (10, 20, 30)
        ]
        for sample in given:
            opened.ring.add_sample(LAUNCH, sample)
        assert list(opened.ring.samples(LAUNCH, 0)) == given
        assert list(opened.ring.samples(LAUNCH, 20)) == given[1:]
        assert list(opened.ring.samples(LAUNCH, 31)) == []
        assert list(opened.ring.samples("never", 0)) == []

    def test_only_the_last_samples_are_kept(self, opened: JournalPorts) -> None:
        """Twice around the ring and a bit."""
        for at_ms in range(2 * RING_SLOTS + 2):
            opened.ring.add_sample(LAUNCH, Sample(at_ms, ()))
        kept = [sample.at_ms for sample in opened.ring.samples(LAUNCH, 0)]
        assert kept == list(range(RING_SLOTS + 2, 2 * RING_SLOTS + 2))

    def test_samples_keep_their_order_when_the_clock_runs_back(self, opened: JournalPorts) -> None:
        """None that is young enough is left out."""
        for at_ms in (10, 30, 20, 5):
            opened.ring.add_sample(LAUNCH, Sample(at_ms, ()))
        assert [sample.at_ms for sample in opened.ring.samples(LAUNCH, 10)] == [10, 30, 20]

    def test_minutes_are_kept_as_given_and_read_from_a_time_on(self, opened: JournalPorts) -> None:
        """Oldest first, whatever order they came in."""
        figure = Figure(Slot.GREEN, "all", 100, 2, None)
        given = [Point(number * POINT_MS, 59_000, 10_000, 3, (figure,)) for number in (1, 2, 3)]
        for point in (given[1], given[0], given[2]):
            opened.history.add_point(LAUNCH, point)
        assert list(opened.history.points(LAUNCH, 0)) == given
        assert list(opened.history.points(LAUNCH, 2 * POINT_MS)) == given[1:]
        assert list(opened.history.points("never", 0)) == []

    def test_a_minute_is_replaced_by_one_of_the_same_time(self, opened: JournalPorts) -> None:
        """A driver that took over may have seen more of it."""
        for span_ms in (1, 2):
            opened.history.add_point(LAUNCH, Point(POINT_MS, span_ms, 0, 0, ()))
        assert [point.span_ms for point in opened.history.points(LAUNCH, 0)] == [2]

    def test_only_the_last_minutes_are_kept(self, opened: JournalPorts) -> None:
        """Once around the history and a bit."""
        for number in range(RING_SLOTS + 2):
            opened.history.add_point(LAUNCH, Point(number * POINT_MS, 1, 0, 0, ()))
        kept = [point.at_ms // POINT_MS for point in opened.history.points(LAUNCH, 0)]
        assert kept == list(range(2, RING_SLOTS + 2))
