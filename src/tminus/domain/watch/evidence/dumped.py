"""A judge's evidence as text and back, without losing a bit. Must not judge it.

JSON whose only numbers are whole. Logarithms are the shortest decimal text that reads back as the
same double, several of them in one string.
"""

import json
from dataclasses import astuple
from typing import Any

from tminus.domain.watch.evidence.detector import log_mean
from tminus.domain.watch.evidence.judgement import Fired
from tminus.domain.watch.evidence.standing import Moment
from tminus.domain.watch.evidence.tally import Both, Tally
from tminus.domain.watch.evidence.track import Bin, Episode, Mass, OpenBlock, Track

VERSION = 1


class DumpError(ValueError):
    """The text is no dump of a judge, or a dump of one with other rules."""


Held = tuple[tuple[Track, ...], Moment, Fired | None, tuple[Fired, ...]]


def dumped(digest: str, held: Held) -> str:
    """What a judge holds, as text that names the digest of its rules."""
    tracks, moment, rollback, alerts = held
    body = [
        VERSION,
        digest,
        [_track(track) for track in tracks],
        astuple(moment),
        None if rollback is None else astuple(rollback),
        [astuple(alert) for alert in alerts],
    ]
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False)


def loaded(digest: str, text: str) -> Held:
    """What `dumped` wrote.

    Raises:
        DumpError: it did not write this, or for other rules.
    """
    try:
        version, made_for, tracks, moment, rollback, alerts = json.loads(text)
    except (ValueError, TypeError) as error:
        raise DumpError("this text is not the dump of a judge") from error
    if version != VERSION:
        raise DumpError(f"the dump has version {version}, and this program reads {VERSION}")
    if made_for != digest:
        raise DumpError(
            f"the dump was made under rules {made_for}, and these are {digest}: limits changed, "
            "so a new judge has to start from nothing"
        )
    try:
        return (
            tuple(_read_track(body) for body in tracks),
            Moment(*moment),
            None if rollback is None else Fired(*rollback),
            tuple(Fired(*alert) for alert in alerts),
        )
    except (ValueError, TypeError, IndexError) as error:
        raise DumpError("the dump of a judge is damaged") from error


def _track(track: Track) -> list[Any]:
    return [
        [_mass(mass) for mass in (track.rollback, track.alert, track.passing)],
        [track.began, track.closed, track.newest_ms, track.exposed_ms, track.seen_ms, track.stable_ms],
        [
            [
                block.number,
                _tally(block.seen.candidate),
                _tally(block.seen.stable),
                block.seen.weight_ppm,
                block.candidate_ms,
                block.stable_ms,
            ]
            for block in track.open
        ],
        [_tally(track.candidate), _tally(track.stable)],
        [astuple(entry) for entry in track.bins],
        [track.late, track.invalid, track.repeated],
    ]


def _read_track(body: Any) -> Track:  # noqa: ANN401 - JSON
    masses, numbers, blocks, whole, bins, dropped = body
    began, closed, newest_ms, exposed_ms, seen_ms, stable_ms = numbers
    rollback, alert, passing = map(_read_mass, masses)
    return Track(
        rollback,
        alert,
        passing,
        began=began,
        closed=closed,
        open=tuple(
            OpenBlock(number, Both(_read_tally(mine), _read_tally(others), weight_ppm), mine_ms, others_ms)
            for number, mine, others, weight_ppm, mine_ms, others_ms in blocks
        ),
        newest_ms=newest_ms,
        candidate=_read_tally(whole[0]),
        stable=_read_tally(whole[1]),
        exposed_ms=exposed_ms,
        seen_ms=seen_ms,
        stable_ms=stable_ms,
        bins=tuple(Bin(*entry) for entry in bins),
        late=dropped[0],
        invalid=dropped[1],
        repeated=dropped[2],
    )


def _mass(mass: Mass | None) -> list[Any] | None:
    if mass is None:
        return None
    episode = mass.episode
    floats = " ".join(map(repr, (mass.peak, *mass.logs)))
    return [floats, episode.since_ms, _tally(episode.candidate), _tally(episode.stable)]


def _read_mass(body: list[Any] | None) -> Mass | None:
    if body is None:
        return None
    floats, since_ms, mine, others = body
    peak, *logs = map(float, floats.split(" "))
    return Mass(
        tuple(logs), log_mean(tuple(logs)), peak, Episode(since_ms, _read_tally(mine), _read_tally(others))
    )


def _tally(tally: Tally) -> list[int]:
    return [tally.bad, tally.total, *tally.within]


def _read_tally(numbers: list[int]) -> Tally:
    return Tally(numbers[0], numbers[1], tuple(numbers[2:]))
