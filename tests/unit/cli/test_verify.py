"""`tminus verify`: what is printed for whole, damaged and unwitnessed journals."""

from collections.abc import Sequence
from dataclasses import replace

import click
import pytest

from tests.golden.log.worlds import world
from tminus.cli.verify import EXIT_CODES, parse_head, verification_text, verify
from tminus.domain.launch.chain import Link
from tminus.testing.world.world import LAUNCH


class Raw:
    """Records as they stand."""

    def __init__(self, links: Sequence[Link]) -> None:
        self._links = links

    def links(self, launch: str) -> Sequence[Link]:
        return self._links


@pytest.fixture(scope="module")
def links() -> Sequence[Link]:
    return world("scrubbed").journal.links(LAUNCH)


def test_without_a_witness_it_is_inconclusive_and_says_why(links: Sequence[Link]) -> None:
    found = verify(Raw(links), LAUNCH, None)
    last = links[-1]
    assert verification_text(found).splitlines() == [
        "launch    w",
        f"checked   {len(links)} events: each against its hash, and its link to the one before",
        "witness   none: events cut off at the end would leave no trace",
        f"head      {last.seq}:{last.hash}",
        "verdict   inconclusive: whole in itself; give --head to know where it should end",
        "",
        "Note the head outside of this machine. To check against it later:",
        f"  tminus verify w --head {last.seq}:{last.hash}",
    ]
    assert EXIT_CODES[found.outcome] == 3


def test_a_head_noted_elsewhere_is_a_witness(links: Sequence[Link]) -> None:
    head = parse_head(None, None, f"{links[-1].seq}:{links[-1].hash}")
    found = verify(Raw(links), LAUNCH, None, head)
    shown = verification_text(found, head).splitlines()
    assert shown[2:4] == [
        f"given     event {links[-1].seq} as it was noted elsewhere",
        f"witness   vouches for everything up to event {links[-1].seq}",
    ]
    assert shown[5] == "verdict   pass: whole, and as long as its witness says"
    assert EXIT_CODES[found.outcome] == 0


def test_what_was_cut_off_fails_against_the_head(links: Sequence[Link]) -> None:
    head = parse_head(None, None, f"{links[-1].seq}:{links[-1].hash}")
    found = verify(Raw(links[:-2]), LAUNCH, None, head)
    shown = verification_text(found, head)
    assert "verdict   FAIL: the journal was damaged" in shown
    assert "error[journal-cut]: the journal of launch w was damaged" in shown
    assert "Note the head" not in shown
    assert EXIT_CODES[found.outcome] == 1


def test_an_edited_event_is_named(links: Sequence[Link]) -> None:
    edited = [*links[:4], replace(links[4], body='{"key":"x"}'), *links[5:]]
    shown = verification_text(verify(Raw(edited), LAUNCH, None))
    assert "error[event-edited]" in shown
    assert "w, event 5" in shown


@pytest.mark.parametrize(
    "text", ["", "12", "12:", "x:" + "0" * 64, "0:" + "0" * 64, "-1:" + "0" * 64, "12:beef"]
)
def test_a_head_that_is_none_is_refused_as_wrong_usage(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not SEQ:HASH"):
        parse_head(None, None, text)


def test_the_prefix_of_a_hash_may_be_left_out() -> None:
    assert parse_head(None, None, "7:" + "a" * 64) == (7, "sha256:" + "a" * 64)
