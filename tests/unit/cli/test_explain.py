"""`tminus explain` and `tminus watch`: what they show at some moments of simulated launches."""

import io
import json

import pytest

from tests.golden.log.worlds import ToldWorld, world
from tminus.cli.evidence_look import EvidenceLook, look_at_evidence
from tminus.cli.explain import bar, explain_json, explain_text
from tminus.cli.watch import _screen, watch_json
from tminus.cli.watch_frame import watch_frame
from tminus.domain.launch.phase import Phase
from tminus.domain.problem import ProblemError
from tminus.engine.drive import Tick
from tminus.testing.world.world import LAUNCH

pytestmark = pytest.mark.req("R22")


def at(phase: Phase, name: str = "weighed", after_ms: int = 0) -> ToldWorld:
    """The world that long after it went into the phase."""

    def reached(tick: Tick) -> bool:
        waited_ms = tick.observation.now_ms - tick.state.entered_ms
        return tick.state.phase is phase and waited_ms >= after_ms

    return world(name, reached)


def look(told: ToldWorld) -> EvidenceLook:
    return look_at_evidence(told.ports, LAUNCH, with_events=True)


BAKING = look(at(Phase.BAKING, after_ms=2_000))
BACK = look(at(Phase.ROLLED_BACK, "weighed-bad"))
COUNTING_DOWN = look(at(Phase.COUNTDOWN))
WINDOWS = look(at(Phase.BAKING, "good"))


def shown(seen: EvidenceLook, metric: str) -> dict[str, str]:
    """What stands behind each label."""
    rows = explain_text(seen, metric).split("\n\n")[0].splitlines()[2:]
    return {row[2:16].strip(): row[16:] for row in rows}


def test_a_metric_is_explained_by_its_limits_and_its_evidence() -> None:
    text = explain_text(BAKING, "error rate").splitlines()
    assert text[:2] == ["sim 2.0.0 in production (w), baking", "error rate"]
    told = shown(BAKING, "error rate")
    assert told["judged by"] == "share of requests that fail"
    assert told["rolls back"] == "above 5 %; by luck less than once in 1000 launches"
    assert told["alerts"] == "above 0.5 %"
    assert told["now"].startswith("pass: error rate on green: 0 of ")
    assert told["evidence"] == "none"
    assert told["estimate"].startswith("0 % (0 % to 0.")
    assert told["to pass"] == "proven"
    assert "a pass takes 109 clean cases" in told["at this rate"]
    assert told["before"].startswith("stable failed 0 of 2100 (0 %) in 7s")


def test_the_beginning_of_a_name_is_enough_where_there_is_one_such() -> None:
    assert explain_text(BAKING, "p95 ag").splitlines()[1] == "p95 against blue"
    with pytest.raises(ProblemError, match="begins several metrics"):
        explain_text(BAKING, "e")


def test_a_comparison_says_what_it_needs_besides() -> None:
    told = shown(BAKING, "error rate against blue")
    assert told["judged by"] == "share of requests that fail, against blue in the same moments"
    assert told["rolls back"].startswith("above 1.5 times stable's odds, and above 0.5 % itself;")
    assert "to pass" not in told


def test_what_is_not_judged_any_more_is_told_by_its_readings() -> None:
    text = explain_text(BACK, "error rate").splitlines()
    assert text[2] == "  now           not judged any more"
    assert text[-1].split("  ")[2].startswith("rollback")
    assert " evidence " in text[-1]


def test_a_limit_over_a_window_says_that_it_has_no_bound() -> None:
    assert shown(WINDOWS, "error rate")["judged by"] == (
        "a fixed rule over 3s, without a bound on false alarms"
    )


@pytest.mark.parametrize("seen", [BAKING, COUNTING_DOWN, WINDOWS], ids=["baking", "countdown", "windows"])
def test_a_metric_that_is_not_there_is_refused(seen: EvidenceLook) -> None:
    with pytest.raises(ProblemError) as refusal:
        explain_text(seen, "moonphase")
    assert refusal.value.problems[0].code == "metric-unknown"


def test_the_json_holds_the_same() -> None:
    answer = json.loads(json.dumps(explain_json(BAKING, "error rate")))
    assert sorted(answer) == ["forecast", "launch", "metric", "name", "now_ms", "phase", "readings"]
    assert answer["metric"]["weighed"]["bad"] == 0
    assert len(answer["readings"]) >= 3
    past = explain_json(BACK, "error rate")
    assert (past["metric"], past["name"]) == (None, "error rate")
    assert explain_json(WINDOWS, "error rate")["window"]["window_ms"] == 3_000


@pytest.mark.parametrize(
    ("filled", "text"), [(0, "[....]"), (499, "[#...]"), (500, "[##..]"), (1_000, "[####]")]
)
def test_a_bar_is_full_only_when_the_evidence_is(filled: int, text: str) -> None:
    assert bar(filled, 4) == text


def picture(seen: EvidenceLook, columns: int = 100) -> list[str]:
    return [row.plain for row in watch_frame(seen, columns)]


def test_the_picture_holds_traffic_and_every_metric() -> None:
    rows = picture(BAKING)
    assert rows[1] == " baking for 2.0s"
    assert rows[3].startswith(" green candidate    100 %")
    assert rows[4].startswith(" blue  stable         0 %")
    named = [row[1:31].strip() for row in rows[7:17:2]]
    assert named == ["error rate", "p95", "error rate against blue", "p95 against blue", "share of green"]
    assert rows[7][31:45].strip() == "pass"


@pytest.mark.parametrize("columns", [40, 60, 100, 200])
def test_no_row_is_wider_than_the_terminal(columns: int) -> None:
    assert max(row.cell_len for row in watch_frame(BAKING, columns)) <= columns


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (COUNTING_DOWN, "evidence is weighed while the candidate has traffic"),
        (WINDOWS, "every limit has a window"),
        (BACK, "evidence is weighed while the candidate has traffic"),
    ],
    ids=["countdown", "windows", "rolled-back"],
)
def test_without_evidence_it_says_why(seen: EvidenceLook, words: str) -> None:
    assert f" nothing is weighed: {words}" in picture(seen)


def test_a_candidate_that_was_taken_back_is_shown_without_traffic() -> None:
    assert picture(BACK)[3:5] == [" green candidate      0 %", " blue  stable       100 %"]


def test_the_watch_of_a_promoted_candidate_shows_its_stage() -> None:
    told = world("looked-at", lambda tick: tick.state.phase is Phase.WATCHING)
    assert any(row.startswith(" stage    ") for row in picture(look(told)))


def test_the_json_of_the_watch_holds_the_same() -> None:
    answer = json.loads(json.dumps(watch_json(BAKING)))
    assert answer["metrics"][0]["weighed"]["metric"] == "error rate"
    assert (answer["phase"], answer["held"], answer["alerts"]) == ("baking", False, [])


@pytest.mark.parametrize(("as_json", "first"), [(True, '{"launch":"w"'), (False, " sim 2.0.0")])
def test_a_pipe_gets_lines(as_json: bool, first: str) -> None:
    stream = io.StringIO()
    show, _, leave = _screen(stream, {"NO_COLOR": "1"}, plain=False, as_json=as_json)
    show(BAKING)
    leave()
    assert stream.getvalue().startswith(first)
    assert "\x1b" not in stream.getvalue()
