"""Sources of metrics by the kind a plan calls them, and the work that asks them.

Built-ins are found the way third parties' are: in the entry-point group `tminus.metrics`.
"""

import os
import threading
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, cast

from tminus.domain.canonical import Json
from tminus.domain.codec import DecodeError, from_json
from tminus.domain.plan.secret import SecretRef
from tminus.domain.problem import Problem, ProblemError
from tminus.domain.watch.probe import Probe
from tminus.ports.fault import Refused
from tminus.ports.metrics import OpenSource, Source, Surroundings

METRICS = "tminus.metrics"
"""The entry-point group of sources: each name is a `kind` of `domain.plan.metric`, and opens a source."""

INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "TMINUS_JOB")
"""What a metric's command sees of the job's environment; the last is the mark by which strays are found."""


def find_source(kind: str) -> OpenSource | None:
    """How sources of that kind are opened; None when no such kind is registered."""
    point = next(iter(entry_points(group=METRICS, name=kind)), None)
    return None if point is None else cast("OpenSource", point.load())


def measure(arguments: Json, directory: Path, stop: threading.Event) -> Json:
    """The work `measure`: asks every source of a plan at its own pace until told to stop.

    Args:
        arguments: `probes` (a list of `domain.watch.probe.Probe` as JSON), `secrets` (names and references,
            as every work's), `directory` (on the file system whose space is measured), optionally
            `artifact` (digest) and `artifacts_directory` (commands run in it, else in the job's directory),
            `programs` (what the marks of the service's own programs begin with).
        directory: of the job; `progress.json` in it is `{"metrics": {name: [row, …]}}`, renewed at most
            twice a second, the rows as `domain.watch.measurement.to_row` writes them: the newest 120 of each
            metric and version, and before them the first 30.
        stop: ends it.

    Returns:
        `{"measured": {name: {"counted", "of"}}}`: of the measurements kept, how many were evidence.

    Raises:
        ProblemError: `bad-arguments`, `no-such-source`.
    """
    from tminus.adapters.measure.collect import MOST_PROBES, collect

    body = arguments if isinstance(arguments, dict) else {}
    try:
        probes = from_json(tuple[Probe, ...], body.get("probes", []))
        around = _surroundings(body, directory)
    except (DecodeError, KeyError, TypeError) as error:
        raise _bad(f"{type(error).__name__}: {error}") from error
    if len(probes) > MOST_PROBES or len({(each.metric.name, each.arm) for each in probes}) < len(probes):
        raise _bad(f"{len(probes)} probes, of which at most {MOST_PROBES} may be, each once")
    return collect([(probe, _opening(probe, around)) for probe in probes], directory, stop)


def _opening(probe: Probe, around: Surroundings) -> Callable[[], Source]:
    kind = probe.metric.source.kind
    open_source = find_source(kind)
    if open_source is None:
        raise ProblemError(Problem("no-such-source", f"no source of metrics is named {kind!r}"))
    return partial(open_source, probe.metric.source, around)


def _surroundings(body: Mapping[str, Any], directory: Path) -> Surroundings:
    from tminus.adapters.http.fetch import fetch

    names = {str(reference): str(name) for name, reference in dict(body.get("secrets") or {}).items()}

    def secret(ref: SecretRef) -> str:
        value = os.environ.get(names.get(ref.text(), ""))
        if value is None:
            raise Refused("secret-missing", f"{ref.text()} has no value")
        return value

    artifact = str(body.get("artifact") or "").rpartition(":")[2]
    tree = Path(str(body.get("artifacts_directory", ""))) / artifact if artifact else directory
    return Surroundings(
        fetch=fetch,
        secret=secret,
        environment={name: os.environ[name] for name in INHERITED if name in os.environ},
        tree=tree,
        place=Path(str(body["directory"])),
        programs=str(body.get("programs", "")),
    )


def _bad(why: str) -> ProblemError:
    return ProblemError(Problem("bad-arguments", "the work's arguments cannot be used", why=why))
