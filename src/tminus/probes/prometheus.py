"""The probe `prometheus`: it sees its targets, has the rules, and its alerting is alive."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tminus.adapters.clock.deadline import Deadline
from tminus.domain.plan.secret import SecretRef
from tminus.domain.readiness.answer import Answer, failed, passed, unknown
from tminus.ports.probes import Around, ProbeKind, Target
from tminus.probes.asking import check_address, get_json, printable, secret_header
from tminus.probes.guard import guarded

_SHOWN = 20
_LABEL_CHARS = 80
_STRANGE = "it does not answer as Prometheus does"


@dataclass(frozen=True, slots=True)
class PrometheusSettings:
    """What a Prometheus must see and hold.

    Attributes:
        url: its address, with the prefix it may have.
        targets: how many targets it must scrape at least.
        jobs: whose targets are looked at, each with one at least; those of all jobs where none is given.
        rules: names of alerting and recording rules that must be loaded and evaluated without an error.
        watchdog: the alert that always fires, such as `Watchdog`, and must do so; empty looks at none.
        token: a secret that is sent.
        header: in which header it is sent; a bearer's in `Authorization`, as it is in any other.
    """

    url: str
    targets: int = 1
    jobs: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    watchdog: str = ""
    token: SecretRef | None = None
    header: str = "Authorization"

    def __post_init__(self) -> None:
        """Refuses what cannot be asked.

        Raises:
            ValueError: see its sentence.
        """
        check_address(self.url)
        if self.url.startswith("/"):
            raise ValueError("a Prometheus stands elsewhere: write its whole address")
        if self.targets < 0:
            raise ValueError("`targets` cannot be below zero")


@dataclass(slots=True)
class _Found:
    """What was learnt so far: what is wrong, what is not known yet, and evidence."""

    wrong: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    facts: dict[str, int] = field(default_factory=dict)


def _source(settings: PrometheusSettings, target: Target) -> str:
    del target
    asked = ["targets", *(["rules"] if settings.rules else []), *(["alerts"] if settings.watchdog else [])]
    return f"GET {settings.url.rstrip('/')}/api/v1/{{{','.join(asked)}}}"


def _ask(settings: PrometheusSettings, around: Around, limit_ms: int) -> Answer:
    source = _source(settings, around.target)
    headers = secret_header(settings.token, settings.header, around)
    deadline = Deadline(limit_ms)
    found = _Found()
    looks = [("targets?state=active", _targets, bool(settings.targets or settings.jobs))]
    looks += [("rules", _rules, bool(settings.rules)), ("alerts", _watchdog, bool(settings.watchdog))]
    for path, look, is_asked in looks:
        if not is_asked:
            continue
        url = f"{settings.url.rstrip('/')}/api/v1/{path}"
        body = get_json(url, headers, deadline.left_ms, source)
        if isinstance(body, Answer):
            return body
        content = body.get("data") if isinstance(body, dict) and body.get("status") == "success" else None
        try:
            look(settings, content, found)
        except (TypeError, KeyError, AttributeError):
            return unknown(_STRANGE, source)
    excerpt = "\n".join(found.lines[:_SHOWN])
    if found.wrong:
        return failed("; ".join(found.wrong), source, excerpt, **found.facts)
    if found.doubts:
        return unknown("; ".join(found.doubts), source, excerpt, **found.facts)
    return passed(_good(settings, found), source, excerpt, **found.facts)


def _good(settings: PrometheusSettings, found: _Found) -> str:
    parts = [f"{found.facts['targets_up']} targets are up"] if "targets_up" in found.facts else []
    parts += [f"{len(settings.rules)} rules are loaded"] if settings.rules else []
    parts += [f"{settings.watchdog} fires"] if settings.watchdog else []
    return ", ".join(parts) or "it answers"


def _targets(settings: PrometheusSettings, content: Any, found: _Found) -> None:  # noqa: ANN401 - any JSON
    """Source: Prometheus HTTP API, GET /api/v1/targets."""
    seen = [
        (_text(each["labels"], "job"), _text(each["labels"], "instance"), _text(each, "health"))
        for each in _list(content["activeTargets"])
    ]
    looked = [each for each in seen if not settings.jobs or each[0] in settings.jobs]
    found.facts["targets_up"] = sum(health == "up" for *_, health in looked)
    found.lines += [f"{job} {instance} {health}" for job, instance, health in looked if health != "up"]
    for job in settings.jobs:
        if not any(each[0] == job for each in looked):
            found.wrong.append(f"it has no target of the job {job}")
    down = [f"{job} {instance}" for job, instance, health in looked if health == "down"]
    if down:
        found.wrong.append(f"{len(down)} of {len(looked)} targets are down: {', '.join(down[:3])}")
    unseen = sum(health not in ("up", "down") for *_, health in looked)
    if unseen:
        found.doubts.append(f"{unseen} of {len(looked)} targets were not scraped yet")
    if len(looked) < settings.targets:
        found.wrong.append(f"it has {len(looked)} targets, wanted at least {settings.targets}")


def _rules(settings: PrometheusSettings, content: Any, found: _Found) -> None:  # noqa: ANN401 - any JSON
    """Source: Prometheus HTTP API, GET /api/v1/rules."""
    health: dict[str, set[str]] = {}
    for group in _list(content["groups"]):
        for rule in _list(group["rules"]):
            health.setdefault(_text(rule, "name"), set()).add(_text(rule, "health"))
    found.facts["rules"] = len(health)
    for name in settings.rules:
        states = health.get(name, set())
        found.lines.append(f"rule {name}: {', '.join(sorted(states)) or 'missing'}")
        if not states:
            found.wrong.append(f"the rule {name} is not loaded")
        elif "err" in states:
            found.wrong.append(f"the rule {name} cannot be evaluated")
        elif states != {"ok"}:
            found.doubts.append(f"the rule {name} was not evaluated yet")


def _watchdog(settings: PrometheusSettings, content: Any, found: _Found) -> None:  # noqa: ANN401 - any JSON
    """Source: Prometheus HTTP API, GET /api/v1/alerts."""
    states = {
        _text(each, "state")
        for each in _list(content["alerts"])
        if _text(each["labels"], "alertname") == settings.watchdog
    }
    found.lines.append(f"alert {settings.watchdog}: {', '.join(sorted(states)) or 'missing'}")
    if "firing" not in states:
        found.wrong.append(f"{settings.watchdog} does not fire, so alerts may not either")


def _list(value: Any) -> Sequence[Any]:  # noqa: ANN401 - any JSON
    """A list of objects.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise TypeError(_STRANGE)
    return value


def _text(value: Mapping[str, Any], name: str) -> str:
    return printable(str(value.get(name, "")))[:_LABEL_CHARS]


PROMETHEUS = ProbeKind(PrometheusSettings, guarded(_ask, _source))
"""See `PrometheusSettings`."""
