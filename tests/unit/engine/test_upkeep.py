"""Which backup or restore test is due when: the pure decision, over histories that are played through."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from tminus.domain.canonical import Json
from tminus.domain.codec import DecodeError
from tminus.domain.launch.reading import JobPhase, JobReading
from tminus.domain.plan.database import Backups
from tminus.domain.plan.times import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS
from tminus.domain.readiness.upkeep import (
    KINDS,
    Begun,
    Deferred,
    Ended,
    Note,
    Removed,
    StoredBackup,
    UpkeepState,
    Work,
    decode_note,
    encode_note,
)
from tminus.engine.decide.readiness.upkeep import (
    BACKOFF_MS,
    ForgetWork,
    RemoveBackup,
    StartWork,
    StopWork,
    TrimLog,
    UpkeepSight,
    after,
    decide_upkeep,
    next_due,
    wind_down,
)

pytestmark = pytest.mark.req("R16")

SCHEDULE = Backups()
T = 1_700_000_000_000
BUSY = "shop-2.0.0 has the database: it is staging"


def stored(age_ms: int, *, passed: bool | None = None, name: str = "") -> StoredBackup:
    tested = None if passed is None else T - age_ms + SECOND_MS
    return StoredBackup(name or f"/b/{age_ms}", T - age_ms, 10, "sha256:0", 1, 2, tested, passed, 5)


def sight(
    *backups: StoredBackup,
    now_ms: int = T,
    occupied: str = "",
    jobs: Iterable[JobReading] = (),
    cited: Iterable[str] = (),
) -> UpkeepSight:
    by_key = {each.key: each for each in jobs}
    ordered = sorted(backups, key=lambda each: each.taken_ms)
    return UpkeepSight(now_ms, T - 30 * DAY_MS, "shop-p", occupied, by_key, ordered, frozenset(cited))


def proven(state: UpkeepState = UpkeepState(), at_ms: int = T - HOUR_MS) -> UpkeepState:  # noqa: B008 - frozen
    return after(state, [Ended(Work.RESTORE_TEST, "k", passed=True)], at_ms)


def begun(work: Work, due_ms: int = T) -> UpkeepState:
    return after(proven(), [Begun(work, "job", due_ms, 0, "/b/1")], T)


def test_the_first_backup_is_taken_at_once() -> None:
    step = decide_upkeep(SCHEDULE, UpkeepState(), sight())
    (note,) = step.notes
    assert isinstance(note, Begun)
    assert (note.work, note.due_ms, note.skipped) == (Work.BACKUP, T - 30 * DAY_MS, 0)
    assert step.actions == (StartWork(note),)


@pytest.mark.parametrize(("age_ms", "begins"), [(HOUR_MS - 1, False), (HOUR_MS, True)])
def test_a_backup_is_due_when_the_newest_has_the_age_of_the_plan(age_ms: int, begins: bool) -> None:
    step = decide_upkeep(SCHEDULE, proven(), sight(stored(age_ms)))
    assert bool(step.notes) is begins


def test_after_a_downtime_one_backup_is_taken_and_the_others_are_counted() -> None:
    step = decide_upkeep(SCHEDULE, proven(), sight(stored(10 * HOUR_MS + MINUTE_MS)))
    (note,) = step.notes
    assert isinstance(note, Begun)
    assert (note.due_ms, note.skipped) == (T - 9 * HOUR_MS - MINUTE_MS, 9)
    state = after(proven(), [note, Ended(Work.BACKUP, note.key, passed=True)], T)
    assert decide_upkeep(SCHEDULE, state, sight(stored(0), stored(10 * HOUR_MS))).notes == ()


def test_a_backup_of_a_launch_counts_and_one_from_the_future_does_not() -> None:
    assert decide_upkeep(SCHEDULE, proven(), sight(stored(0, name="/b/of-a-launch"))).notes == ()
    step = decide_upkeep(SCHEDULE, proven(), sight(stored(-DAY_MS), stored(2 * HOUR_MS)))
    assert [type(note) for note in step.notes] == [Begun]


def test_the_newest_backup_is_restored_once_and_then_by_the_week() -> None:
    backups = [stored(MINUTE_MS), stored(HOUR_MS)]
    (note,) = decide_upkeep(SCHEDULE, UpkeepState(), sight(*backups)).notes
    assert isinstance(note, Begun)
    assert (note.work, note.path) == (Work.RESTORE_TEST, backups[0].path)
    for age_ms, begins in ((7 * DAY_MS - 1, False), (7 * DAY_MS, True)):
        step = decide_upkeep(SCHEDULE, proven(at_ms=T - age_ms), sight(*backups))
        assert bool(step.notes) is begins
    by_a_launch = [stored(MINUTE_MS, passed=True)]
    assert decide_upkeep(SCHEDULE, UpkeepState(), sight(*by_a_launch)).notes == ()


def test_one_job_runs_at_a_time() -> None:
    running = JobReading("job", JobPhase.RUNNING)
    step = decide_upkeep(SCHEDULE, begun(Work.BACKUP), sight(stored(9 * HOUR_MS), jobs=[running]))
    assert (step.notes, step.actions) == ((), ())


def test_a_backup_that_is_done_is_noted_with_its_figures() -> None:
    result: dict[str, Json] = {
        "path": "/b/n",
        "digest": "sha256:1",
        "size_bytes": 5,
        "taken_ms": 6,
        "took_ms": 7,
        "tables": 8,
        "rows": 9,
    }
    done = JobReading("job", JobPhase.DONE, result)
    (note,) = decide_upkeep(SCHEDULE, begun(Work.BACKUP), sight(jobs=[done])).notes
    assert note == Ended(Work.BACKUP, "job", True, "", "", "/b/n", "sha256:1", 5, 6, 7, 8, 9)


@pytest.mark.parametrize(
    ("work", "reading", "code"),
    [
        (Work.BACKUP, JobReading("job", JobPhase.FAILED, None, "disk-full", "no room"), "disk-full"),
        (Work.BACKUP, JobReading("job", JobPhase.LOST, None, "job-lost", "gone"), "job-lost"),
        (Work.BACKUP, JobReading("job", JobPhase.DONE, {"path": "/b/n"}), "no-backup"),
        (Work.BACKUP, None, "job-lost"),
        (
            Work.RESTORE_TEST,
            JobReading("job", JobPhase.DONE, {"passed": False, "differences": ["t"]}),
            "restore-differs",
        ),
        (Work.RESTORE_TEST, JobReading("job", JobPhase.DONE, {}), "restore-differs"),
    ],
)
def test_what_fails_is_noted_as_it_failed(work: Work, reading: JobReading | None, code: str) -> None:
    state = begun(work)
    (note,) = decide_upkeep(SCHEDULE, state, sight(jobs=[] if reading is None else [reading])).notes
    assert isinstance(note, Ended)
    assert (note.passed, note.code) == (False, code)
    assert after(state, [note], T).of(work).failures == 1


def test_a_failed_backup_is_tried_again_with_growing_pauses() -> None:
    state = proven()
    for pause_ms in (*BACKOFF_MS, BACKOFF_MS[-1]):
        state = after(state, [Ended(Work.BACKUP, "k", passed=False, code="x")], T)
        due = next_due(SCHEDULE, state, sight(stored(8 * DAY_MS)), Work.BACKUP)
        assert due is not None
        assert due.at_ms == T + pause_ms


def test_a_failed_restore_test_that_is_due_is_tried_again_with_growing_pauses() -> None:
    state = proven(at_ms=T - 9 * DAY_MS)
    for pause_ms in BACKOFF_MS:
        state = after(state, [Ended(Work.RESTORE_TEST, "k", passed=False, code="x")], T)
        due = next_due(SCHEDULE, state, sight(stored(MINUTE_MS)), Work.RESTORE_TEST)
        assert due is not None
        assert due.at_ms == T + pause_ms


def test_a_short_interval_bounds_the_pause_after_a_failure() -> None:
    brisk = replace(SCHEDULE, every_ms=SECOND_MS)
    state = after(proven(), [Ended(Work.BACKUP, "k", passed=False, code="x")] * 3, T)
    due = next_due(brisk, state, sight(stored(HOUR_MS)), Work.BACKUP)
    assert due is not None
    assert due.at_ms == T + SECOND_MS


def test_a_backup_that_did_not_come_back_as_it_was_counts_as_none() -> None:
    bad, good = stored(MINUTE_MS, passed=False), stored(2 * HOUR_MS)
    step = decide_upkeep(SCHEDULE, proven(), sight(bad, good))
    (note,) = step.notes
    assert isinstance(note, Begun)
    assert (note.work, note.due_ms) == (Work.BACKUP, T - HOUR_MS)


def test_work_waits_while_a_launch_has_the_database_and_says_so_once() -> None:
    seen = sight(stored(2 * HOUR_MS), occupied=BUSY)
    step = decide_upkeep(SCHEDULE, proven(), seen)
    assert step == decide_upkeep(SCHEDULE, proven(), seen)
    assert step.notes == (Deferred(Work.BACKUP, T - HOUR_MS, BUSY),)
    assert step.actions == ()
    state = after(proven(), step.notes, T)
    later = sight(stored(2 * HOUR_MS), now_ms=T + 3 * HOUR_MS, occupied="shop-2.0.0 has … baking")
    assert decide_upkeep(SCHEDULE, state, later).notes == ()
    (note,) = decide_upkeep(SCHEDULE, state, replace(later, occupied="")).notes
    assert isinstance(note, Begun)
    assert (note.due_ms, note.skipped) == (T - HOUR_MS, 4)
    assert after(state, [note], T).of(Work.BACKUP).deferred is None


def test_a_launch_stops_what_runs_and_that_is_no_failure() -> None:
    running = JobReading("job", JobPhase.RUNNING)
    state = begun(Work.BACKUP, T - MINUTE_MS)
    step = decide_upkeep(SCHEDULE, state, sight(jobs=[running], occupied=BUSY))
    assert step.notes == (Deferred(Work.BACKUP, T - MINUTE_MS, f"it was stopped: {BUSY}"),)
    assert step.actions == (StopWork("job"),)
    state = after(state, step.notes, T)
    again = decide_upkeep(SCHEDULE, state, sight(jobs=[running], occupied=BUSY))
    assert (again.notes, again.actions) == ((), (StopWork("job"),))
    stopped = JobReading("job", JobPhase.FAILED, None, "database-stopped", "told to stop")
    step = decide_upkeep(SCHEDULE, state, sight(jobs=[stopped], occupied=BUSY))
    state = after(state, step.notes, T)
    assert state.of(Work.BACKUP).failures == 0
    assert state.running == ()
    step = decide_upkeep(SCHEDULE, state, sight(stored(2 * HOUR_MS)))
    assert [type(note) for note in step.notes] == [Begun]


def test_old_backups_are_removed_but_never_the_newest_the_proven_or_one_in_use() -> None:
    backups = [
        stored(MINUTE_MS, passed=False),
        stored(2 * DAY_MS, name="/b/newest-good"),
        stored(3 * DAY_MS, name="/b/cited"),
        stored(4 * DAY_MS, passed=True, name="/b/proven"),
        stored(5 * DAY_MS, passed=True),
        stored(6 * DAY_MS, passed=False),
    ]
    # Also a backup is due; it may need the room.
    step = decide_upkeep(SCHEDULE, proven(), sight(*backups, cited=["/b/cited"]))
    removed = [action.removed.path for action in step.actions if isinstance(action, RemoveBackup)]
    assert removed == [backups[5].path, backups[4].path]


@pytest.mark.parametrize(("age_ms", "goes"), [(DAY_MS, False), (DAY_MS + 1, True)])
def test_a_backup_is_kept_as_long_as_the_plan_says(age_ms: int, goes: bool) -> None:
    backups = [stored(MINUTE_MS), stored(age_ms)]
    assert bool(decide_upkeep(SCHEDULE, proven(), sight(*backups)).actions) is goes


def test_the_folder_of_the_job_before_the_last_is_forgotten() -> None:
    state = proven()
    for number in range(3):
        state = after(state, [Begun(Work.BACKUP, str(number), T, 0), Ended(Work.BACKUP, "", passed=True)], T)
    step = decide_upkeep(SCHEDULE, state, sight(stored(2 * HOUR_MS)))
    assert step.actions[:-1] == (ForgetWork("1"),)


ARCHIVED = replace(SCHEDULE, rpo_ms=MINUTE_MS)


def whole(age_ms: int, *, unbroken: bool = True, passed: bool | None = None) -> StoredBackup:
    return replace(stored(age_ms, passed=passed), whole=True, unbroken=unbroken)


def archiving(state: UpkeepState) -> UpkeepState:
    return after(state, [Begun(Work.ARCHIVE, "archive", T, 0)], T - HOUR_MS)


RECEIVES = JobReading("archive", JobPhase.RUNNING)


def test_dumps_alone_are_enough_where_as_much_may_be_lost_as_lies_between_two() -> None:
    assert (SCHEDULE.archived, ARCHIVED.archived) == (False, True)
    assert not replace(SCHEDULE, rpo_ms=HOUR_MS).archived
    assert (SCHEDULE.method, ARCHIVED.method) == ("dump", "base")


def test_the_archive_begins_first_and_runs_beside_everything() -> None:
    (note,) = decide_upkeep(ARCHIVED, UpkeepState(), sight()).notes
    assert isinstance(note, Begun)
    assert note.work is Work.ARCHIVE
    (note,) = decide_upkeep(ARCHIVED, archiving(proven()), sight(jobs=[RECEIVES])).notes
    assert isinstance(note, Begun)
    assert note.work is Work.BACKUP
    busy = decide_upkeep(ARCHIVED, proven(), sight(whole(0), occupied=BUSY))
    assert [note.work for note in busy.notes if isinstance(note, Begun)] == [Work.ARCHIVE]
    launched = decide_upkeep(ARCHIVED, archiving(proven()), sight(whole(0), occupied=BUSY, jobs=[RECEIVES]))
    assert (launched.notes, launched.actions) == ((), ())


@pytest.mark.parametrize(
    ("backup", "begins"),
    [(whole(MINUTE_MS), False), (whole(MINUTE_MS, unbroken=False), True), (stored(MINUTE_MS), True)],
    ids=["followed by the log", "followed by a gap", "a dump"],
)
def test_with_an_archive_only_a_base_backup_that_the_log_follows_counts(
    backup: StoredBackup, begins: bool
) -> None:
    step = decide_upkeep(ARCHIVED, archiving(proven()), sight(backup, jobs=[RECEIVES]))
    assert [note.work for note in step.notes if isinstance(note, Begun)] == ([Work.BACKUP] if begins else [])


def test_an_archive_that_ends_is_begun_again_with_growing_pauses() -> None:
    lost = JobReading("archive", JobPhase.LOST, None, "job-lost", "gone")
    state = archiving(proven())
    step = decide_upkeep(ARCHIVED, state, sight(whole(0), jobs=[lost]))
    state = after(state, step.notes, T)
    assert state.of(Work.ARCHIVE).failures == 1
    assert decide_upkeep(ARCHIVED, state, sight(whole(0), now_ms=T + MINUTE_MS - 1)).notes == ()
    (note,) = decide_upkeep(ARCHIVED, state, sight(whole(0), now_ms=T + MINUTE_MS)).notes
    assert isinstance(note, Begun)
    assert note.work is Work.ARCHIVE


def test_an_archive_that_no_plan_asks_for_any_more_is_stopped() -> None:
    state = archiving(proven())
    step = decide_upkeep(SCHEDULE, state, sight(stored(0), jobs=[RECEIVES]))
    assert step.actions == (StopWork("archive"),)
    assert wind_down(state, sight(jobs=[RECEIVES])).actions == (StopWork("archive"),)
    stopped = JobReading("archive", JobPhase.DONE, {"covered_ms": T})
    step = decide_upkeep(SCHEDULE, state, sight(stored(0), jobs=[stopped]))
    state = after(state, step.notes, T)
    assert (state.running, state.of(Work.ARCHIVE).failures) == ((), 0)


def test_the_log_is_trimmed_with_the_backups_that_it_followed() -> None:
    backups = [whole(MINUTE_MS), whole(2 * DAY_MS)]
    step = decide_upkeep(ARCHIVED, archiving(proven()), sight(*backups, jobs=[RECEIVES]))
    assert [type(action) for action in step.actions] == [RemoveBackup, TrimLog]


def test_notes_come_back_as_they_were_written() -> None:
    notes: list[Note] = [
        Begun(Work.BACKUP, "k", 1, 2, "p"),
        Ended(Work.RESTORE_TEST, "k", passed=True),
        Deferred(Work.BACKUP, 1, "w"),
        Removed("p", 1, "w"),
    ]
    assert [decode_note(*encode_note(note)) for note in notes] == notes
    assert {note.kind for note in notes} == set(KINDS)
    with pytest.raises(DecodeError):
        decode_note("upkeep-unheard-of", {})
