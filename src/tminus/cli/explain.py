"""`tminus explain`: what a metric is judged by, its evidence now and before, and what it can find."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import click

from tminus.cli.evidence_look import EvidenceLook, look_at_evidence
from tminus.domain.codec import to_json
from tminus.domain.launch.evidence import BaselineTaken, Weighed
from tminus.domain.plan.limit import Limit
from tminus.domain.plan.times import SECOND_MS, format_duration, format_utc
from tminus.domain.problem import Problem, ProblemError
from tminus.domain.report.evidence import MetricRow, history_of
from tminus.domain.watch.foreseen import foreseen_now
from tminus.domain.watch.judge import percent_of

LAST_READINGS = 10
"""As many as fit on a screen; `tminus log --json` has all of them as `evidence-weighed`."""

_PPM = 1_000_000
_LABEL = 14


@click.command("explain")
@click.argument("launch")
@click.argument("metric")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def command(launch: str, metric: str, *, as_json: bool) -> None:
    """Explain how METRIC of LAUNCH (an id, or a service) is judged.

    METRIC is the name of a trigger, or of what is compared with stable; the beginning of a name is enough.
    Says what it is judged by, where its limits lie, what the evidence is, how sure the figure is, what can be
    found at today's traffic, and what it was before. Reads the journal and changes nothing.

    Example: tminus explain shop "error rate"
    """
    from tminus.wiring import find_launch, open_home, refuse_missing_home

    home = open_home()
    refuse_missing_home(home)
    try:
        row = find_launch(home, launch)
        look = look_at_evidence(home.ports(row, revives=False), row.launch, with_events=True)
    finally:
        home.close()
    if as_json:
        click.echo(json.dumps(explain_json(look, metric), indent=2, ensure_ascii=False))
    else:
        click.echo(explain_text(look, metric))


def explain_text(look: EvidenceLook, metric: str) -> str:
    """The answer for a terminal.

    Raises:
        ProblemError: `metric-unknown`.
    """
    plan, state = look.state.plan, look.state
    head = f"{plan.service} {plan.version} in {plan.environment} ({look.launch}), {state.phase.value}"
    found = _find(look, metric)
    if isinstance(found, Limit):
        return "\n".join([head, found.name, *_lines(_window_rows(found))])
    name = found if isinstance(found, str) else found.weighed.metric
    told = [("now", "not judged any more")] if isinstance(found, str) else _rows(look, found)
    rows = [head, name, *_lines(told)]
    past = list(history_of(look.events, name))[-LAST_READINGS:]
    if past:
        rows += ["", "Readings"]
        rows += [f"  {format_utc(at_ms)}  {_reading(weighed)}" for at_ms, weighed in past]
    return "\n".join(rows)


def explain_json(look: EvidenceLook, metric: str) -> dict[str, Any]:
    """The same for machines; times in milliseconds since the epoch.

    Raises:
        ProblemError: `metric-unknown`.
    """
    found = _find(look, metric)
    answer: dict[str, Any] = {"launch": look.launch, "now_ms": look.now_ms, "phase": look.state.phase.value}
    if isinstance(found, Limit):
        return {**answer, "window": to_json(found)}
    judged = not isinstance(found, str)
    name = found if isinstance(found, str) else found.weighed.metric
    return {
        **answer,
        "name": name,
        "metric": to_json(found) if judged else None,
        "forecast": "" if look.weighing is None else foreseen_now(look.weighing, name, look.now_ms),
        "readings": [
            {"at_ms": at_ms, "weighed": to_json(weighed)} for at_ms, weighed in history_of(look.events, name)
        ],
    }


def _find(look: EvidenceLook, metric: str) -> MetricRow | Limit | str:
    """The metric's row, a limit over a window, or the name of what was weighed and is not any more."""
    rows = look.rows
    windows = [trigger.limit for trigger in look.state.plan.triggers if not trigger.weighed]
    terms = look.state.terms
    known: dict[str, MetricRow | Limit | str] = {
        **{subject.metric: subject.metric for subject in (() if terms is None else terms.subjects)},
        **{limit.name: limit for limit in windows},
        **{row.weighed.metric: row for row in rows},
    }
    if metric in known:
        return known[metric]
    meant = [name for name in known if name.startswith(metric)]
    if len(meant) == 1:
        return known[meant[0]]
    why = f"it is judged by {', '.join(known)}" if known else "it is not judged now"
    if terms is None and look.state.plan.weighs:
        why = f"{why}; evidence is weighed once the candidate has traffic"
    raise ProblemError(
        Problem(
            "metric-unknown",
            f"{look.launch} has no metric {metric!r}" if not meant else f"{metric!r} begins several metrics",
            why=why,
            fix="name one of these, or look at the plan's `triggers`",
        )
    )


def _lines(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    return (f"  {label:<{_LABEL}}{text}" for label, text in rows)


def _window_rows(limit: Limit) -> Iterator[tuple[str, str]]:
    window = format_duration(limit.window_ms)
    yield "judged by", f"a fixed rule over {window}, without a bound on false alarms"
    yield "to weigh it", "remove `over` from its trigger in launch.yaml"


def _rows(look: EvidenceLook, row: MetricRow) -> Iterator[tuple[str, str]]:
    weighed, weighing = row.weighed, look.weighing
    assert weighing is not None
    rules = weighing.terms.rules
    yield "judged by", row.judged_by
    if row.rolls_back:
        luck = f"by luck less than once in {_PPM // rules.alpha_ppm} launches"
        then = "pages" if weighing.promoted else "rolls back"
        yield then, f"above {row.rolls_back}; {luck}"
    if row.alerts:
        yield row.on_alert.value + "s", f"above {row.alerts}"
    yield "now", f"{weighed.state}: {row.why}"
    if row.rolls_back:
        yield "evidence", _evidence(row)
    if row.interval:
        yield "estimate", f"{row.interval}, {weighed.bad} of {weighed.total}"
    if weighed.cases_to_pass is not None:
        lacking = weighed.cases_to_pass
        yield "to pass", f"{lacking} more good cases" if lacking else "proven"
    forecast = foreseen_now(weighing, weighed.metric, look.now_ms)
    if forecast:
        yield "at this rate", forecast
    for taken in look.state.terms.baseline if look.state.terms is not None else ():
        if taken.route_class == weighing.terms.subject(weighed.metric).route_class:
            yield "before", _baseline(taken)


def _evidence(row: MetricRow) -> str:
    weighed = row.weighed
    if weighed.log_e_milli is None or weighed.needed_milli is None or weighed.log_e_milli <= 0:
        return "none"
    have, need = weighed.log_e_milli / 1000, weighed.needed_milli / 1000
    return (
        f"{bar(row.filled_milli, 20)} {have:.1f} of {need:.1f} nats; "
        f"a candidate at its limit ever shows as much with a chance of {weighed.p}"
    )


def bar(filled_milli: int, cells: int) -> str:
    """`####....` for a half, in characters that every terminal has."""
    full = filled_milli * cells // 1000
    return f"[{'#' * full}{'.' * (cells - full)}]"


def _baseline(taken: BaselineTaken) -> str:
    share = percent_of(taken.failures * _PPM // taken.requests) if taken.requests else "nothing"
    span = format_duration(taken.seconds * SECOND_MS)
    return f"stable failed {taken.failures} of {taken.requests} ({share}) in {span}"


def _reading(weighed: Weighed) -> str:
    share = percent_of(weighed.bad * _PPM // weighed.total) if weighed.total else "no cases"
    log_e = "–" if weighed.log_e_milli is None else f"{weighed.log_e_milli / 1000:.1f} nats"
    return f"{weighed.state:<13}{weighed.bad} of {weighed.total} ({share}), evidence {log_e}"
