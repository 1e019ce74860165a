"""Asking many questions at once: each within its limit, and none waits for one that hangs."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tminus.adapters.check import pool as asking
from tminus.adapters.check.ask import ask_on, ask_once, in_scratch, masked
from tminus.adapters.check.attachments import MOST_BYTES, keep_file
from tminus.adapters.check.pool import Pool, Question
from tminus.domain.problem import ProblemError
from tminus.domain.readiness.answer import EXCERPT_LIMIT, Answer, failed, passed
from tminus.domain.readiness.answers import read_answers
from tminus.domain.readiness.checked import CheckAnswered
from tminus.domain.readiness.verdict import Outcome
from tminus.ports.fault import Refused

WAIT_S = 30


def a_question(
    item: str, ask: Callable[[int], Answer], *, limit_ms: int = 5_000, every_ms: int = 60_000
) -> Question:
    return Question(item, f"source of {item}", every_ms, limit_ms, 1_000, ask)


def well(limit_ms: int) -> Answer:
    return passed("it is well", "s", took_ms=limit_ms)


def test_every_question_is_answered_once_in_its_order() -> None:
    found = ask_once([a_question(f"a/{n}", well) for n in range(100)])
    assert [answer.item for answer in found] == [f"a/{n}" for n in range(100)]
    assert {answer.outcome for answer in found} == {Outcome.PASS}
    assert found[0].expires_ms == found[0].asked_ms + 1_000


def test_a_fault_and_a_defect_are_inconclusive_and_quote_nothing() -> None:
    def refuse(limit_ms: int) -> Answer:
        raise Refused("secret-missing", "env:TOKEN has no value")

    def break_down(limit_ms: int) -> Answer:
        raise ValueError("hunter2")

    one, two = ask_once([a_question("a/1", refuse), a_question("a/2", break_down)])
    assert (one.outcome, one.why) == (
        Outcome.INCONCLUSIVE,
        "it cannot be asked: env:TOKEN has no value [secret-missing]",
    )
    assert (two.outcome, two.why) == (Outcome.INCONCLUSIVE, "the probe failed: ValueError")


def test_one_that_hangs_is_told_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_OVER_S", 0.05)
    over = threading.Event()

    def hang(limit_ms: int) -> Answer:
        over.wait(WAIT_S)
        return passed("too late", "s")

    questions = [a_question(f"hang/{n}", hang, limit_ms=100) for n in range(3)]
    found = ask_once([*questions, *(a_question(f"a/{n}", well) for n in range(20))], threads=2)
    over.set()
    told = {answer.item: answer for answer in found}
    assert len(told) == 23
    assert told["hang/0"].outcome is Outcome.INCONCLUSIVE
    assert told["hang/0"].why == "it has not answered within 100ms"
    assert told["hang/0"].source == "source of hang/0"
    assert told["a/19"].outcome is Outcome.PASS


def test_what_does_not_pass_is_asked_again_sooner() -> None:
    stop, asked = threading.Event(), {"a/good": 0, "a/bad": 0}

    def tell(answer: CheckAnswered) -> None:
        asked[answer.item] += 1
        if asked["a/bad"] >= 3:
            stop.set()

    good = a_question("a/good", well, every_ms=3_600_000)
    bad = a_question("a/bad", lambda limit_ms: failed("it is not", "s"), every_ms=10)
    assert Pool(tell).ask([good, bad], stop) == 4
    assert asked == {"a/good": 1, "a/bad": 3}


def test_the_progress_holds_the_newest_answers(tmp_path: Path) -> None:
    stop, file = threading.Event(), tmp_path / "progress.json"
    result: list[object] = []
    worker = threading.Thread(target=lambda: result.append(ask_on([a_question("a/1", well)], tmp_path, stop)))
    worker.start()
    for _ in range(WAIT_S * 20):
        if file.exists():
            break
        stop.wait(0.05)
    stop.set()
    worker.join(WAIT_S)
    assert result == [{"asked": 1}]
    assert read_answers(json.loads(file.read_text()))["a/1"].why == "it is well"


def test_an_answer_is_masked_and_bounded() -> None:
    long = Answer(Outcome.FAIL, "hunter2 is wrong", "GET /?t=hunter2", "hunter2" * 1_000)
    answer = masked(long, lambda text: text.replace("hunter2", "[secret]"))
    assert "hunter2" not in f"{answer}"
    assert len(answer.excerpt) == EXCERPT_LIMIT


def test_a_probes_folder_is_empty_and_removed(tmp_path: Path) -> None:
    seen: list[Path] = []

    def use(folder: Path) -> Answer:
        assert list(folder.iterdir()) == []
        (folder / "left").write_text("over")
        seen.append(folder)
        return well(1)

    in_scratch(tmp_path, use)
    assert [folder.exists() for folder in seen] == [False]


def test_a_file_is_kept_once_under_its_digest(tmp_path: Path) -> None:
    (tmp_path / "report.pdf").write_bytes(b"signed")
    kept = {keep_file(tmp_path / "report.pdf", tmp_path / "kept") for _ in range(2)}
    [file] = (tmp_path / "kept").iterdir()
    assert kept == {f"sha256:{file.name}"}
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"signed", 0o400)


def test_a_file_that_is_missing_or_too_large_is_told(tmp_path: Path) -> None:
    with pytest.raises(ProblemError, match="attachment-unreadable"):
        keep_file(tmp_path / "none", tmp_path / "kept")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(ProblemError, match="attachment-too-large"):
        keep_file(tmp_path / "large", tmp_path / "kept")
    (tmp_path / "small").write_text("x")
    (tmp_path / "taken").write_text("a file where the folder should be")
    with pytest.raises(ProblemError, match="attachment-not-kept"):
        keep_file(tmp_path / "small", tmp_path / "taken")
