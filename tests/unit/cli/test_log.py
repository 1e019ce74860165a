"""`tminus log` over a journal in memory."""

import io
from collections.abc import Sequence

import pytest

from tests.golden.log.worlds import log_text, without_digest, world
from tminus.cli.exits import EXIT_CODES
from tminus.cli.log import follow_to_end, show
from tminus.cli.view import PlainView
from tminus.domain.problem import ProblemError
from tminus.ports.fault import Unavailable
from tminus.ports.journal import Draft, Head, LaunchRow, Record
from tminus.testing.memory_journal import MemoryJournal
from tminus.testing.world.world import LAUNCH


class GrowingJournal:
    """A journal of which one event more is there at each look, and which now and then does not answer."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = records
        self.known = 0
        self.looks = 0

    def append(self, launch: str, epoch: int, after_seq: int, drafts: Sequence[Draft]) -> Head:
        raise AssertionError("nothing is written")

    def head(self, launch: str) -> Head:
        raise AssertionError("not needed")

    def read(self, launch: str, after_seq: int = 0) -> Sequence[Record]:
        self.looks += 1
        if self.looks % 5 == 0:
            raise Unavailable("journal-busy", "another writes")
        self.known += 1
        return self.records[after_seq : self.known]


def plain() -> tuple[PlainView, io.StringIO]:
    stream = io.StringIO()
    return PlainView(stream, colour=False, ascii_only=False, width=100), stream


@pytest.mark.parametrize("name", ["good", "rolled-back", "scrubbed", "withdrawn"])
def test_following_shows_the_same_as_looking_afterwards_and_ends_with_the_launch(name: str) -> None:
    view, stream = plain()
    told = world(name)
    journal = GrowingJournal(told.journal.read(LAUNCH))
    waits: list[int] = []
    outcome = follow_to_end(journal, LAUNCH, view, lambda: waits.append(1))
    assert without_digest(told, stream.getvalue()) == log_text(name)
    assert len(waits) == journal.looks - 1
    assert outcome in EXIT_CODES


def test_a_launch_that_goes_on_has_no_outcome_yet() -> None:
    view, _ = plain()
    journal = GrowingJournal(world("good").journal.read(LAUNCH))
    assert show(journal, LAUNCH, view) == (1, "")


def test_an_event_of_a_later_release_stops_the_log_loudly() -> None:
    journal = MemoryJournal()
    row = LaunchRow(LAUNCH, "sim", "production", 0, open=True)
    journal.open_launch(row, [Draft("teleported", 1, 0, {})])
    view, _ = plain()
    with pytest.raises(ProblemError) as caught:
        show(journal, LAUNCH, view)
    assert str(caught.value) == (
        "error[event-unknown]: the journal of launch w holds an event that this release does not understand\n"
        "  where: w\n"
        "    why: event 'teleported' version 1 is not known to this release\n"
        "    fix: use the release of tminus that drives the launch, or `tminus log --json`"
    )
