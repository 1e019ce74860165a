"""Sources of metrics and probes by the kind a plan calls them, and the works that ask them.

Built-ins are found the way third parties' are: in the entry-point groups `tminus.metrics` and
`tminus.probes`.
"""

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, cast

from tminus.adapters.check.pool import Question
from tminus.domain.canonical import Json
from tminus.domain.codec import DecodeError, from_json
from tminus.domain.plan.checklist import CheckItem, Probed
from tminus.domain.plan.secret import SecretRef
from tminus.domain.problem import Problem, ProblemError
from tminus.domain.readiness.answer import Answer, unknown
from tminus.domain.watch.probe import Probe
from tminus.plan.probe_kinds import find_probe_kind
from tminus.ports.fault import PortFault, Refused
from tminus.ports.metrics import OpenSource, Source, Surroundings
from tminus.ports.probes import Around, Target

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


def check(arguments: Json, directory: Path, stop: threading.Event) -> Json:
    """The work `check`: asks every probe of a plan at its own pace until told to stop.

    Args:
        arguments: `items` (a list of `domain.plan.checklist.CheckItem` as JSON, each with a probe), `target`
            (a `ports.probes.Target`), `repository`, `backups` (a folder), and `optional_secrets` (names and
            references, as every work's `secrets`).
        directory: of the job; `progress.json` in it is what `domain.readiness.answers` reads, renewed at most
            twice a second.
        stop: ends it.

    Returns:
        `{"asked": how many answers there were}`.

    Raises:
        ProblemError: `bad-arguments`.
    """
    from tminus.adapters.check.ask import ask_on

    body = arguments if isinstance(arguments, dict) else {}
    optional = body.get("optional_secrets")
    names = optional.items() if isinstance(optional, dict) else ()
    values = {str(ref): os.environ[name] for name, ref in names if name in os.environ}

    def secret(ref: SecretRef) -> str:
        if ref.text() not in values:
            raise Refused("secret-missing", f"{ref.text()} has no value")
        return values[ref.text()]

    try:
        items = from_json(tuple[CheckItem, ...], body.get("items", []))
        target = from_json(Target, body.get("target", {}))
        place = Place(target, Path(str(body["repository"])), Path(str(body["backups"])), directory)
    except (DecodeError, KeyError, TypeError) as error:
        raise _bad(f"{type(error).__name__}: {error}") from error
    return ask_on(questions(items, place, secret), directory, stop)


@dataclass(frozen=True, slots=True)
class Place:
    """What probes are told of where they are asked from.

    Attributes:
        target: what is about to be launched.
        repository: the team's checkout.
        backups: the folder of the service's backups.
        scratch: in which each probe has a folder of its own.
    """

    target: Target
    repository: Path
    backups: Path
    scratch: Path


def questions(items: Iterable[CheckItem], place: Place, secret: Callable[[SecretRef], str]) -> list[Question]:
    """The items that a machine can answer, each ready to be asked; no answer holds a secret it was given."""
    found = []
    for item in items:
        asks = item.asks
        if isinstance(asks, Probed):
            ask = partial(_ask, asks, place, secret)
            found.append(Question(item.item, asks.probe, asks.every_ms, asks.limit_ms, item.keeps_ms, ask))
    return found


def _ask(asks: Probed, place: Place, secret: Callable[[SecretRef], str], limit_ms: int) -> Answer:
    from tminus.adapters.check.ask import in_scratch, masked
    from tminus.adapters.clock.system_clock import SystemClock
    from tminus.adapters.command.scrub import Scrubber

    kind = find_probe_kind(asks.probe)
    if kind is None:
        raise Refused("no-such-probe", f"no probe is named {asks.probe!r}")
    try:
        settings = from_json(kind.settings, asks.settings)
    except (DecodeError, ValueError) as error:
        raise Refused(
            "bad-settings", f"its settings do not fit this release: {type(error).__name__}"
        ) from error
    given: list[str] = []

    def told(ref: SecretRef) -> str:
        given.append(secret(ref))
        return given[-1]

    def mask(text: str) -> str:
        scrubber = Scrubber(given)
        return (scrubber.feed(text.encode("utf-8", "replace")) + scrubber.end()).decode("utf-8", "replace")

    def use(scratch: Path) -> Answer:
        around = Around(
            target=place.target,
            secret=told,
            environment={name: os.environ[name] for name in INHERITED if name in os.environ},
            repository=place.repository,
            scratch=scratch,
            backups=place.backups,
            now_ms=SystemClock().now_ms,
        )
        try:
            return masked(kind.ask(settings, around, limit_ms), mask)
        except PortFault as fault:
            return unknown(mask(f"it cannot be asked: {fault.why} [{fault.code}]"), asks.probe)

    return in_scratch(place.scratch, use)
