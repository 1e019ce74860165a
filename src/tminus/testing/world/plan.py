"""The plan of a simulated launch: phases of seconds, and everything that a plan can say of a database."""

from dataclasses import replace

from tminus.domain.plan.alert import ON_CALL, TEAM, AlertRule, Severity
from tminus.domain.plan.database import Database, Integrity, Migrations, Question
from tminus.domain.plan.external import Alertmanager, ExternalRule
from tminus.domain.plan.judging import Judging, OnUnderpowered
from tminus.domain.plan.limit import Limit, Metric, Trigger
from tminus.domain.plan.plan import (
    FULL_BP,
    ArtifactSmoke,
    Build,
    Lease,
    OneOff,
    Plan,
    Run,
    Shift,
    Source,
    Stay,
)
from tminus.domain.plan.secret import SecretRef, SecretSource
from tminus.domain.plan.stage import Stage
from tminus.domain.watch.evidence.clean_run import clean_run
from tminus.testing.world.checked import SIM_CHECKS
from tminus.testing.world.gauge import QUEUE, QUEUE_LIMIT
from tminus.testing.world.physics import INSTANCES

FEWEST_REQUESTS = 20

WEIGHED_PPM = 50_000
"""Of failed requests: a limit that is proven to be kept within the seconds of a simulated step."""

FEWEST_WEIGHED = clean_run(WEIGHED_PPM / 1_000_000)
"""No candidate may go on with less evidence than this, were every request of it answered."""


def sim_database() -> Database:
    """A database with everything a plan can say of one."""
    return Database(
        SecretRef(SecretSource.ENV, "DATABASE_URL"),
        migrations=Migrations(expand=("expand",), contract=("contract",), deadline_ms=20_000),
        integrity=(Integrity("sums", "select 1", "1"),),
        questions=(Question("declined", "select 0, 100"),),
    )


SIM_STAGES = (
    Stage(8_000, 2_000, TEAM, "fix it", anomalies=True),
    Stage(16_000, 4_000, ON_CALL),
    Stage(30_000, 8_000, TEAM),
)
"""A first day of half a minute."""


def sim_alerts(rate: Limit, slow: Limit) -> tuple[AlertRule, ...]:
    """Rules below the triggers' limits, so that worlds see them fire, resolve and lose their readings."""
    lower = replace(rate, name="errors", at_most=5_000)
    slower = replace(slow, name="slow", at_most=300)
    return (
        AlertRule(lower, Severity.HIGH, ON_CALL, resolve_ms=2_000, missing_ms=4_000),
        AlertRule(slower, Severity.WARNING, TEAM, for_ms=1_000, resolve_ms=2_000, missing_ms=4_000),
    )


def sim_plan(
    *,
    database: bool = False,
    stages: bool = False,
    measured: bool = False,
    weighed: bool = False,
    checked: bool = False,
) -> Plan:
    """A plan whose phases take seconds."""
    declined = Limit("declined", Metric.QUESTION, 100_000, question="declined")
    rate = Limit("error rate", Metric.ERROR_RATE, 10_000, window_ms=3_000, min_requests=FEWEST_REQUESTS)
    slow = Limit("p95", Metric.LATENCY_P95, 500, window_ms=3_000, min_requests=FEWEST_REQUESTS)
    failing = replace(rate, at_most=WEIGHED_PPM) if weighed else rate
    return Plan(
        service="sim",
        version="2.0.0",
        source=Source(".", "v2.0.0"),
        build=Build(smoke=ArtifactSmoke.OFF if database else ArtifactSmoke.SUITE),
        run=Run(
            ("serve",),
            instances=INSTANCES,
            boot_deadline_ms=10_000,
            one_offs=(OneOff("seed", ("seed",)),) if database else (),
        ),
        database=sim_database() if database else None,
        # Half the traffic at once: a tenth takes longer than a simulated step to prove anything.
        shift=Shift((5_000, FULL_BP) if weighed else (1_000, 5_000, FULL_BP), 1_000, 15_000),
        lease=Lease(1_000, 30_000),
        verify=Stay(2_000, 1_000),
        bake=Stay(6_000, 2_000),
        watch=Stay(1_000, 1_000) if not stages else Stay(30_000, 0),
        stages=SIM_STAGES if stages else (),
        alerts=sim_alerts(rate, slow),
        alertmanager=Alertmanager((ExternalRule("Paged"),)) if stages else None,
        triggers=(
            Trigger(failing, weighed=weighed),
            Trigger(slow, weighed=weighed),
            *((Trigger(declined),) if database else ()),
            *((Trigger(QUEUE_LIMIT),) if measured else ()),
        ),
        metrics=(QUEUE,) if measured else (),
        judging=Judging(bad_seconds=3, burn_in_ms=1_000, on_underpowered=OnUnderpowered.ASK),
        targets=(rate, slow),
        drain_deadline_ms=5_000,
        hold_expiry_ms=20_000,
        checks=SIM_CHECKS if checked else None,
    )
