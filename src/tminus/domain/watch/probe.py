"""A metric of one version, ready to be asked: its placeholders filled in. Must not ask it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from urllib.parse import quote

from tminus.domain.plan.metric import (
    CommandSource,
    DatabaseSource,
    Headers,
    HttpSource,
    MetricDefinition,
    MetricSource,
    PrometheusSource,
    ReportSource,
    SqlSource,
    SystemSource,
    is_split,
)
from tminus.domain.plan.secret import SecretRef
from tminus.domain.watch.measurement import Arm


@dataclass(frozen=True, slots=True)
class Probe:
    """One metric of one version."""

    metric: MetricDefinition
    arm: Arm = Arm.WHOLE


def probes(
    metrics: tuple[MetricDefinition, ...], versions: Mapping[Arm, Mapping[str, str]]
) -> tuple[Probe, ...]:
    """Every probe of the metrics that are asked for, those of people left out.

    Args:
        metrics: of the plan.
        versions: what `{slot}` and `{version}` stand for, of the candidate and of stable where there is one.
            Slots are words and versions semantic ones, so neither can end a text or a query.
    """
    return tuple(probe for metric in metrics if not metric.by_person for probe in _probes(metric, versions))


def _probes(metric: MetricDefinition, versions: Mapping[Arm, Mapping[str, str]]) -> Iterator[Probe]:
    if not is_split(metric.source):
        yield Probe(metric)
        return
    for arm, values in versions.items():
        yield Probe(replace(metric, source=_filled(metric.source, values)), arm)


def secrets_of(source: MetricSource) -> tuple[SecretRef, ...]:
    """Every secret that a source needs."""
    match source:
        case PrometheusSource() | HttpSource() | ReportSource():
            return _header_secrets(source.headers)
        case CommandSource():
            return tuple(ref for _, ref in source.secrets)
        case SqlSource() | DatabaseSource():
            return (source.url,)
        case _:
            return ()


def _header_secrets(headers: Headers) -> tuple[SecretRef, ...]:
    token = () if headers.token is None else (headers.token,)
    return (*(ref for _, ref in headers.secret), *token)


def _filled(source: MetricSource, values: Mapping[str, str]) -> MetricSource:
    def fill(text: str) -> str:
        for name, value in values.items():
            text = text.replace("{" + name + "}", value)
        return text

    match source:
        case PrometheusSource():
            return replace(source, query=fill(source.query), bad=fill(source.bad), total=fill(source.total))
        case HttpSource():
            url = source.url
            for name, value in values.items():
                url = url.replace("{" + name + "}", quote(value, safe=""))
            return replace(source, url=url)
        case SqlSource():
            return replace(source, sql=fill(source.sql))
        case CommandSource():
            environment = tuple((name, fill(value)) for name, value in source.environment)
            return replace(source, command=tuple(map(fill, source.command)), environment=environment)
        case SystemSource():
            return replace(source, slot=fill(source.slot))
        case _:
            return source
