"""Carries out the schedule of one service's database: looks, decides, notes, acts. Never blocks a launch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tminus.domain.canonical import Json
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.database import Database
from tminus.domain.plan.times import DAY_MS
from tminus.domain.readiness.upkeep import (
    Begun,
    Note,
    Removed,
    StoredBackup,
    UpkeepState,
    Work,
    decode_note,
    encode_note,
    evolve_upkeep,
    fold_upkeep,
)
from tminus.engine.decide.launch.occupation import occupied_by
from tminus.engine.decide.launch.work import BACKUP
from tminus.engine.decide.readiness import upkeep as deciding
from tminus.engine.drive import fold_launch
from tminus.ports.fault import PortFault, Unknown
from tminus.ports.jobs import JobFolders, Jobs, JobSpec
from tminus.ports.journal import Journal, LaunchBook, LaunchRow, Shelf
from tminus.ports.upkeep import BackupStore, Entry, UpkeepBook

MOST_STEPS = 100
"""Steps within one look: settling, then one thing begun or a few removed. A bound, never met."""


ARCHIVE_DEADLINE_MS = 365 * DAY_MS
"""The archive is received until nobody wants it; once a year it is begun anew, without a gap."""


@dataclass(frozen=True, slots=True)
class UpkeepPorts:
    """Everything the upkeep of one service talks to.

    Attributes:
        jobs_of: jobs whose secrets are looked for as the plan of a launch means them, by its repository.
        directory: of the service's backups.
        left_ms: when tminus was last taken away from the service, None where it never was.
    """

    journal: Journal
    shelf: Shelf
    book: LaunchBook
    notes: UpkeepBook
    store: BackupStore
    jobs_of: Callable[[Path], Jobs]
    folders: JobFolders
    directory: Path
    left_ms: Callable[[], int | None]


@dataclass(frozen=True, slots=True)
class Basis:
    """What the schedule of a service rests on.

    Attributes:
        launch: the last one that was promoted and stands.
        database: of its plan.
        repository: of its plan.
        since_ms: since when it has been in force.
    """

    launch: str
    database: Database
    repository: Path
    since_ms: int


@dataclass(frozen=True, slots=True)
class Survey:
    """What the launches of a service say about its upkeep; `basis` is None where nothing is to be done."""

    basis: Basis | None
    occupied: str
    cited: frozenset[str]


class Surveyor:
    """Reads the launches of a service; what has ended is folded once."""

    def __init__(self, journal: Journal, shelf: Shelf) -> None:
        """Reads nothing yet."""
        self._journal = journal
        self._shelf = shelf
        self._ended: dict[str, Basis | bool] = {}

    def survey(self, rows: Sequence[LaunchRow], left_ms: int | None, now_ms: int) -> Survey:
        """The answer for these launches of one service and environment, oldest first.

        Raises:
            PortFault: the journal does not answer or is corrupt.
            UnknownEventError: it holds what this release does not understand.
        """
        basis, occupied, cited = None, "", frozenset[str]()
        for row in reversed(rows):
            if left_ms is not None and left_ms >= row.opened_ms:
                break
            if row.open:
                state = fold_launch(self._journal, self._shelf, row.launch)[0]
                why = occupied_by(state, now_ms)
                occupied = f"{row.launch} has the database: {why}" if why else occupied
                cited |= _cited(state)
                found = _basis_of(row, state)
            else:
                found = self._of_ended(row)
            if isinstance(found, Basis):
                basis = found
            if found is not False:
                break
        return Survey(basis, occupied, cited)

    def _of_ended(self, row: LaunchRow) -> Basis | bool:
        if row.launch not in self._ended:
            state = fold_launch(self._journal, self._shelf, row.launch)[0]
            self._ended[row.launch] = _basis_of(row, state)
        return self._ended[row.launch]


def _basis_of(row: LaunchRow, state: LaunchState) -> Basis | bool:
    """What serves by this launch; True where that has no database, False where the one before serves."""
    if not state.ended_well:
        return False
    plan = state.plan
    if plan.database is None:
        return True
    since_ms = row.opened_ms if state.cutover_ms is None else state.cutover_ms
    return Basis(row.launch, plan.database, Path(plan.source.repository), since_ms)


def _cited(state: LaunchState) -> frozenset[str]:
    """Backups that an open launch would be restored from."""
    ended = (job for key, job in state.jobs.items() if key.startswith(BACKUP))
    results = [job.result for job in ended if isinstance(job.result, dict)]
    return frozenset(str(result["path"]) for result in results if result.get("path"))


def read_upkeep(entries: Sequence[Entry]) -> UpkeepState:
    """The fold over what the book holds.

    Raises:
        DecodeError: a later release wrote it.
    """
    return fold_upkeep((decode_note(entry.kind, entry.body), entry.at_ms) for entry in entries)


class Upkeep:
    """The upkeep of one service in one environment. One per process, and not shared between threads."""

    def __init__(self, ports: UpkeepPorts, service: str, environment: str) -> None:
        """Reads nothing yet."""
        self._ports = ports
        self._service = service
        self._environment = environment
        self._surveyor = Surveyor(ports.journal, ports.shelf)
        self._state: UpkeepState | None = None
        self._stuck: dict[str, int] = {}

    def look(self, now_ms: int) -> tuple[Note, ...]:
        """Looks once, and does what follows; what was noted, for whoever looks on.

        Raises:
            PortFault: something does not answer; nothing is lost, and the next look goes on.
            UnknownEventError: the journal holds what this release does not understand.
            DecodeError: so does the book.
        """
        if self._state is None:
            self._state = read_upkeep(self._ports.notes.notes(self._service, self._environment))
        rows = self._ports.book.launches(self._service, self._environment)
        survey = self._surveyor.survey(rows, self._ports.left_ms(), now_ms)
        if survey.basis is None:
            return self._wind_down(now_ms)
        jobs = self._ports.jobs_of(survey.basis.repository)
        written: list[Note] = []
        for _ in range(MOST_STEPS):
            sight = self._sight(survey, survey.basis, jobs, now_ms)
            step = deciding.decide_upkeep(survey.basis.database.backups, self._state, sight)
            written += [self._note(note, now_ms) for note in step.notes]
            for action in step.actions:
                written += self._act(action, survey.basis, jobs, now_ms)
            begins = any(isinstance(note, Begun) for note in step.notes)
            stops = any(isinstance(action, deciding.StopWork) for action in step.actions)
            if begins or stops or not (step.notes or step.actions):
                break
        return tuple(written)

    def _wind_down(self, now_ms: int) -> tuple[Note, ...]:
        """Stops what no plan asks for any more, as after tminus was taken away from the service."""
        assert self._state is not None
        if not self._state.running:
            return ()
        jobs = self._ports.jobs_of(self._ports.directory)
        readings = jobs.read_jobs([begun.key for begun in self._state.running])
        sight = deciding.UpkeepSight(now_ms, now_ms, "", "no plan asks for it any more", readings, ())
        step = deciding.wind_down(self._state, sight)
        for action in step.actions:
            if isinstance(action, deciding.StopWork):
                jobs.stop_job(action.key)
        return tuple(self._note(note, now_ms) for note in step.notes)

    def _sight(self, survey: Survey, basis: Basis, jobs: Jobs, now_ms: int) -> deciding.UpkeepSight:
        assert self._state is not None
        return deciding.UpkeepSight(
            now_ms=now_ms,
            since_ms=basis.since_ms,
            name=f"{self._service}-{self._environment}",
            occupied=survey.occupied,
            jobs=jobs.read_jobs([begun.key for begun in self._state.running]),
            backups=tuple(each for each in self._backups() if self._stuck.get(each.path, 0) <= now_ms),
            cited=survey.cited,
        )

    def _backups(self) -> Sequence[StoredBackup]:
        return self._ports.store.list_backups(self._ports.directory)

    def _note(self, note: Note, now_ms: int) -> Note:
        """Writes a note and has the state follow; nothing is done that is not written first."""
        assert self._state is not None
        kind, body = encode_note(note)
        try:
            self._ports.notes.add_note(self._service, self._environment, kind, now_ms, body)
        except Unknown:
            self._state = None  # whether it stands there is told by the book itself, at the next look
            raise
        self._state = evolve_upkeep(self._state, note, now_ms)
        return note

    def _act(self, action: deciding.Action, basis: Basis, jobs: Jobs, now_ms: int) -> list[Note]:
        match action:
            case deciding.StopWork():
                jobs.stop_job(action.key)
            case deciding.ForgetWork():
                self._ports.folders.forget_job(action.key)
            case deciding.TrimLog():
                self._ports.store.trim_log(self._ports.directory)
            case deciding.RemoveBackup():
                return self._remove(action.removed, now_ms)
            case deciding.StartWork():
                return self._start(action.begun, basis.database, jobs, now_ms)
        return []

    def _start(self, begun: Begun, database: Database, jobs: Jobs, now_ms: int) -> list[Note]:
        lasts_ms = ARCHIVE_DEADLINE_MS if begun.work is Work.ARCHIVE else database.backups.deadline_ms
        spec = JobSpec(begun.key, begun.work.value, self._arguments(begun, database), lasts_ms)
        try:
            jobs.start_job(spec)
        except Unknown:
            return []  # the next look tells whether it runs
        except PortFault as fault:
            return [self._note(deciding.failed(begun, fault.code, fault.why), now_ms)]
        return []

    def _arguments(self, begun: Begun, database: Database) -> Json:
        secrets: Json = {"DATABASE_URL": database.url.text()}
        schedule, directory = database.backups, str(self._ports.directory)
        if begun.work is Work.ARCHIVE:
            return {"directory": directory, "beat_ms": schedule.beat_ms, "secrets": secrets}
        if begun.work is Work.BACKUP:
            return {"directory": directory, "method": schedule.method, "secrets": secrets}
        archive: dict[str, Json] = {"archive": directory} if schedule.archived else {}
        return {"path": begun.path, "secrets": secrets, **archive}

    def _remove(self, removed: Removed, now_ms: int) -> list[Note]:
        try:
            self._ports.store.remove_backup(Path(removed.path))
        except PortFault:
            self._stuck[removed.path] = now_ms + deciding.BACKOFF_MS[-1]
            raise
        return [self._note(removed, now_ms)]
