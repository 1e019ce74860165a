"""Long work in subprocesses that a resumed driver adopts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from tminus.domain.canonical import Json
from tminus.domain.launch.reading import JobReading


@dataclass(frozen=True, slots=True)
class JobSpec:
    """Work to be done once.

    Attributes:
        key: names the job for ever; the same key is the same job.
        work: registered kind of work: `build`, `smoke`, `meter`.
        arguments: JSON that the work understands; it holds references to secrets, never values.
        deadline_ms: the job's group is killed after this time.
    """

    key: str
    work: str
    arguments: Json
    deadline_ms: int


class Jobs(Protocol):
    """Runs jobs, each in its own process group, findable after a crash of whoever started it."""

    def start_job(self, spec: JobSpec) -> None:
        """Starts the job, or does nothing where that key was started before and is not lost.

        Raises:
            Refused: no such work.
            Unavailable: no process could be started, or its directory could not be written.
            Unknown: it may run.
        """
        ...

    def read_jobs(self, keys: Iterable[str]) -> Mapping[str, JobReading]:
        """Readings of those keys that were ever started; a key never started is absent."""
        ...

    def stop_job(self, key: str) -> None:
        """Asks the job to end (SIGTERM; SIGKILL after its grace). Its outcome is read as always."""
        ...


class JobFolders(Protocol):
    """What ended jobs have left, for work that is done again and again."""

    def forget_job(self, key: str) -> None:
        """Removes everything that is kept of a job that has ended, and its key may be used again.

        Nothing happens to a job that runs or was never started.

        Raises:
            Unavailable: `job-not-removed`, `jobs-busy`.
        """
        ...
