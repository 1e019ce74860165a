"""Works by name: what a job can do. Built-ins are found the way third parties' are."""

import importlib
import threading
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Protocol, cast

from tminus.domain.canonical import Json

GROUP = "tminus.works"


class Work(Protocol):
    """One kind of work, run in a process of its own."""

    def __call__(self, arguments: Json, directory: Path, stop: threading.Event) -> Json:
        """Does the work and returns its result: canonical JSON of at most 1 MiB, without secrets.

        Args:
            arguments: as given in the job's specification.
            directory: the job's own; `progress.json` and `*.log` in it are kept and bounded.
            stop: set when the job should end; it is killed after its grace.

        Raises:
            ProblemError: an expected failure; its code and text become the job's.
        """
        ...


def is_known(name: str, works_module: str | None = None) -> bool:
    """Whether a work of that name is registered; nothing of it is imported but `works_module`."""
    return name in _module_works(works_module) or _entry_point(name) is not None


def find_work(name: str, works_module: str | None = None) -> Work | None:
    """The work of that name, None when there is none.

    `works_module` names a module whose `WORKS` mapping is looked at before the entry points.
    """
    work = _module_works(works_module).get(name)
    if work is not None:
        return work
    point = _entry_point(name)
    return None if point is None else cast("Work", point.load())


def _entry_point(name: str) -> EntryPoint | None:
    return next(iter(entry_points(group=GROUP, name=name)), None)


def _module_works(works_module: str | None) -> Mapping[str, Work]:
    if works_module is None:
        return {}
    return cast("Mapping[str, Work]", importlib.import_module(works_module).WORKS)
