"""From the typed file to the domain's plan, with every open value filled in. Must not judge the file."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from tminus.domain.plan.alert import PAYMENT, AlertRule
from tminus.domain.plan.database import Backups, Database, Integrity, Migrations, Question
from tminus.domain.plan.limit import ALL_CLASSES, Against, Limit, Metric, Trigger
from tminus.domain.plan.metric import MetricKind
from tminus.domain.plan.plan import (
    FULL_BP,
    ArtifactSmoke,
    Build,
    Freeze,
    Lease,
    Listen,
    Meter,
    OneOff,
    Plan,
    Resources,
    Run,
    Shift,
    Stay,
    Warming,
    Window,
    Worker,
    handbook_targets,
    handbook_triggers,
)
from tminus.domain.plan.plan import Source as PlanSource
from tminus.domain.plan.request import Request
from tminus.domain.plan.times import format_duration
from tminus.domain.watch.terms import can_be_weighed
from tminus.plan.alert_build import alert_rule, alertmanager_of, alerts_left_open, stages_of
from tminus.plan.check_build import checks_of
from tminus.plan.choice import Choice, defaults_in
from tminus.plan.database_section import DatabaseSection
from tminus.plan.image_section import container_of, image_of
from tminus.plan.judge_section import judging_of
from tminus.plan.kinds import PPM_PER_PERCENT
from tminus.plan.limit_section import LimitSection, TriggerSection
from tminus.plan.metric_build import definition_of, measured_limit, metrics_of
from tminus.plan.model import BakeSection, LaunchFile, RequestSection, VerifySection
from tminus.plan.parse import show_percent
from tminus.plan.polling_section import polling_of
from tminus.plan.router_section import router_of
from tminus.plan.routes import RouteTable, drain_ms_of, label, route_table
from tminus.plan.section import HANDBOOK, TMINUS, default_of

PAYMENT_FAILURES_PPM = 5_000  # the handbook's critical threshold: payment failures above 0.5 %


def build_plan(file: LaunchFile) -> tuple[Plan, tuple[Choice, ...]]:
    """The plan and what was chosen for it. Every rule of `tminus.plan.rules` must hold for `file`."""
    table = route_table(file)
    chosen: list[Choice] = [*_without_idle(file, defaults_in(file)), *table.choices]
    critical = _critical_paths(file, chosen)
    triggers, targets = _triggers(file, table, chosen), _targets(file, chosen)
    alerts = _alerts(file, table, chosen)
    limits = (*targets, *(each.limit for each in triggers), *(each.limit for each in alerts))
    plan = Plan(
        service=file.service,
        version=file.version,
        source=_source(file, chosen),
        run=_run(file),
        environment=file.environment,
        project=file.project,
        t0_ms=file.t0,
        window=window_of(file),
        freezes=tuple(Freeze(each.opens, each.closes, each.why) for each in file.freezes),
        build=_build(file, chosen),
        listen=_listen(file, chosen),
        router=router_of(file.router),
        route_classes=table.classes,
        smoke=_smoke(file, critical, chosen),
        critical_paths=critical,
        shift=Shift(tuple(file.shift.steps), file.shift.each, file.shift.deadline),
        lease=Lease(file.lease.shift, file.lease.bake) if file.lease else Lease(0, 0),
        verify=_stay("verify", file.verify, chosen),
        bake=_stay("bake", file.bake, chosen),
        watch=Stay(file.watch.length, _watch_reading_ms(file)),
        stages=stages_of(file, chosen),
        triggers=triggers,
        judging=judging_of(file.judge),
        targets=targets,
        alerts=alerts,
        metrics=metrics_of(file, limits),
        alertmanager=alertmanager_of(file),
        on_inconclusive=file.on_inconclusive,
        meter=_meter(file, chosen),
        drain_deadline_ms=_drain_ms(file, chosen),
        hold_expiry_ms=file.hold_expiry,
        polling=polling_of(file.poll),
        database=None if file.database is None else _database(file.database),
        warming=_warming(file),
        resources=Resources(file.resources.disk_free, file.resources.memory_free),
        sticky_cookie=file.sticky or "",
        asset_paths=tuple(file.assets),
        checks=checks_of(file),
    )
    return plan, tuple(sorted(chosen, key=_file_order))


def _without_idle(file: LaunchFile, chosen: Iterable[Choice]) -> Iterator[Choice]:
    """Without the defaults that a limit on a question or metric does not use: its source decides these."""
    limits: list[tuple[str, list[LimitSection]]] = [
        ("triggers", [*(file.triggers or [])]),
        ("verify.targets", [*(file.verify.targets or [])]),
        ("alerts", [*(file.alerts or [])]),
    ]
    idle = {
        f"{path}[{index}].{key}"
        for path, sections in limits
        for index, section in enumerate(sections)
        for key in _idle(file, section)
    }
    idle |= {
        f"triggers[{index}].min_requests"
        for index, section in enumerate(file.triggers or [])
        if section.question is None and section.metric is None and section.over is None
    }
    return (choice for choice in chosen if choice.path not in idle)


def _idle(file: LaunchFile, section: LimitSection) -> tuple[str, ...]:
    if section.question is not None:
        return ("class", "over")
    metric = definition_of(file, section.metric) if section.metric is not None else None
    if metric is None:
        return ()
    return ("class", "over") if metric.counted is MetricKind.RATIO else ("class", "over", "min_requests")


def window_of(file: LaunchFile) -> Window | None:
    """The window in absolute time; ends relative to T-0 need a T-0 that is not `now`."""
    if file.window is None:
        return None
    start_ms = file.t0 or 0
    opens, closes = (
        end.ms + start_ms if end.relative else end.ms for end in (file.window.opens, file.window.closes)
    )
    return Window(opens, closes)


def _file_order(choice: Choice) -> int:
    """Position of the choice's section in the format, so that choices read like a plan."""
    sections = [field.alias or name for name, field in LaunchFile.model_fields.items()]
    return sections.index(choice.path.partition(".")[0].partition("[")[0])


def _source(file: LaunchFile, chosen: list[Choice]) -> PlanSource:
    if file.source.tag is None:
        chosen.append(Choice("source.tag", f"v{file.version}", "from the version"))
    source = file.source
    return PlanSource(
        source.repository, source.tag or f"v{file.version}", source.commit or "", source.branch or ""
    )


def _build(file: LaunchFile, chosen: list[Choice]) -> Build:
    build = file.build
    smoke = build.smoke
    if build.docker is not None:
        smoke = ArtifactSmoke.OFF  # an image is tried in its own way, before it is pushed
    elif smoke is None:
        # The release may need what its expand migration brings, and nothing is backed up yet.
        smoke = ArtifactSmoke.SUITE if file.database is None else ArtifactSmoke.OFF
        source = HANDBOOK if file.database is None else f"{TMINUS}: not with a database"
        chosen.append(Choice("build.smoke", smoke.value, source))
    return Build(
        build.command,
        build.deadline,
        smoke,
        tuple(build.smoke_env.items()),
        tuple(build.smoke_secrets.items()),
        image_of(build.docker),
    )


def _run(file: LaunchFile) -> Run:
    run = file.run
    return Run(
        command=run.command,
        instances=run.instances,
        environment=tuple(run.env.items()),
        secrets=tuple(run.secrets.items()),
        health_path=run.health,
        boot_deadline_ms=run.boot,
        stop_grace_ms=run.stop,
        workers=tuple(Worker(name, each.command, each.instances) for name, each in run.workers.items()),
        one_offs=tuple(OneOff(each.name, each.command, each.deadline) for each in run.before),
        container=container_of(run.docker),
    )


def _database(section: DatabaseSection) -> Database:
    migrations, backups = section.migrations, section.backups
    return Database(
        url=section.url,
        migrations=Migrations(
            migrations.expand, migrations.contract, migrations.deadline, migrations.lock_timeout
        ),
        backups=Backups(
            every_ms=backups.every,
            keep_ms=backups.keep,
            restore_every_ms=backups.restore_test,
            deadline_ms=backups.deadline,
            oldest_ms=backups.oldest,
            rpo_ms=backups.rpo,
        ),
        integrity=tuple(Integrity(each.name, each.sql, each.expect) for each in section.integrity or []),
        questions=tuple(
            Question(name, each.sql, each.every, each.within) for name, each in section.questions.items()
        ),
    )


def _warming(file: LaunchFile) -> Warming:
    if file.warm is None:
        return Warming()
    return Warming(tuple(file.warm.paths), file.warm.edge, file.warm.deadline)


def _listen(file: LaunchFile, chosen: list[Choice]) -> Listen:
    host, port = file.listen
    if host is None:
        host = default_of(Listen, "host")
        chosen.append(Choice("listen", f"{host}:{port}", f"{TMINUS}: this machine only"))
    return Listen(host, port)


def _critical_paths(file: LaunchFile, chosen: list[Choice]) -> tuple[Request, ...]:
    if file.critical_paths is None:
        request = Request(f"GET {file.run.health}", "GET", file.run.health)
        chosen.append(Choice("critical_paths", request.name, "from run.health: the least that can be asked"))
        return (request,)
    return tuple(_request(each) for each in file.critical_paths)


def _smoke(file: LaunchFile, critical: tuple[Request, ...], chosen: list[Choice]) -> tuple[Request, ...]:
    if file.smoke is None:
        chosen.append(Choice("smoke", f"{len(critical)} as in critical_paths", TMINUS))
        return critical
    return tuple(_request(each) for each in file.smoke)


def _request(section: RequestSection) -> Request:
    method, path = section.request
    headers = tuple(section.headers.items())
    if section.json_body is not None and "content-type" not in {name.lower() for name, _ in headers}:
        headers = (*headers, ("Content-Type", "application/json"))
    return Request(
        name=label(section),
        method=method,
        path=path,
        headers=headers,
        body=section.json_body if section.json_body is not None else section.body,
        expect_status=section.expect.status,
        expect_json=tuple(section.expect.body.items()),
        capture=tuple(section.capture.items()),
        limit_ms=section.within,
    )


def _stay(name: str, section: VerifySection | BakeSection, chosen: list[Choice]) -> Stay:
    reading_ms = section.reading
    if "reading" not in section.model_fields_set and reading_ms > section.length:
        reading_ms = section.length
        _replace(chosen, Choice(f"{name}.reading", format_duration(reading_ms), f"once in {name}.for"))
    return Stay(section.length, reading_ms)


def _watch_reading_ms(file: LaunchFile) -> int:
    """0 for as often as the stage looks; without stages as often as in the bake."""
    if file.watch.reading is not None:
        return file.watch.reading
    has_stages = file.watch.stages is not None or "stages" not in file.watch.model_fields_set
    return 0 if has_stages else min(file.bake.reading, file.watch.length)


def _replace(chosen: list[Choice], choice: Choice) -> None:
    chosen[:] = [each for each in chosen if each.path != choice.path]
    chosen.append(choice)


def _limit(file: LaunchFile, section: LimitSection, window_ms: int) -> Limit:
    if section.metric is not None:
        return measured_limit(file, section, window_ms if "over" in section.model_fields_set else None)
    for name, share_ppm in (section.question or {}).items():
        return Limit(
            name=section.name or name,
            metric=Metric.QUESTION,
            at_most=share_ppm,
            min_requests=section.min_requests,
            question=name,
        )
    metric, at_most, words = Metric.LATENCY_P95, section.p95, "response time p95"
    if section.error_rate is not None:
        metric, at_most, words = Metric.ERROR_RATE, section.error_rate, "error rate"
    if at_most is None:
        raise AssertionError("the rules let a limit without a metric pass")
    of = "" if section.route_class == ALL_CLASSES else f" of {section.route_class}"
    against = Against.LIMIT if section.against is None else Against(section.against.value)
    than = "" if against is Against.LIMIT else f" against {against.value}"
    return Limit(
        name=section.name or f"{words}{of}{than}",
        metric=metric,
        at_most=int(at_most),
        route_class=section.route_class,
        window_ms=window_ms,
        min_requests=section.min_requests,
        against=against,
    )


def _targets(file: LaunchFile, chosen: list[Choice]) -> tuple[Limit, ...]:
    longest_ms = file.verify.length
    if file.verify.targets is None:
        targets = tuple(
            replace(each, window_ms=min(each.window_ms, longest_ms)) for each in handbook_targets()
        )
        chosen.append(Choice("verify.targets", "; ".join(map(_limit_text, targets)), HANDBOOK))
        return targets
    limits = []
    for index, section in enumerate(file.verify.targets):
        window_ms = section.over
        routed = section.question is None and section.metric is None
        if routed and "over" not in section.model_fields_set and window_ms > longest_ms:
            window_ms = longest_ms
            path = f"verify.targets[{index}].over"
            _replace(chosen, Choice(path, format_duration(window_ms), "no longer than verify.for"))
        limits.append(_limit(file, section, window_ms))
    return tuple(limits)


def _triggers(file: LaunchFile, table: RouteTable, chosen: list[Choice]) -> tuple[Trigger, ...]:
    if file.triggers is not None:
        return tuple(_trigger(file, each) for each in file.triggers)
    triggers = handbook_triggers()
    if PAYMENT in {each.name for each in table.classes}:
        failures = Limit("payment failures", Metric.ERROR_RATE, PAYMENT_FAILURES_PPM, PAYMENT)
        triggers = (*triggers, Trigger(failures, weighed=True))
    shown = "; ".join(f"{_limit_text(each.limit)}, else {each.consequence}" for each in triggers)
    chosen.append(Choice("triggers", shown, HANDBOOK))
    return triggers


def _trigger(file: LaunchFile, section: TriggerSection) -> Trigger:
    """Judged by evidence without a window of its own, where there is a formula for its limit."""
    limit = _limit(file, section, default_of(Limit, "window_ms") if section.over is None else section.over)
    metric = definition_of(file, limit.measured) if limit.measured else None
    beside = file.shift.steps[0] < FULL_BP
    windowed = section.over is not None or "min_requests" in section.model_fields_set
    weighed = not windowed and can_be_weighed(limit, metric, beside=beside)
    return Trigger(limit, section.then, weighed=weighed)


def _alerts(file: LaunchFile, table: RouteTable, chosen: list[Choice]) -> tuple[AlertRule, ...]:
    usual = alerts_left_open(file, (each.name for each in table.classes), chosen)
    if usual is not None:
        return usual
    return tuple(alert_rule(file, each, _limit(file, each, each.over)) for each in file.alerts or [])


def _limit_text(limit: Limit) -> str:
    if limit.metric is Metric.MEASURED:
        return f"{limit.name} noted by a person"
    if limit.metric is not Metric.LATENCY_P95:
        return f"{limit.name} at most {show_percent(limit.at_most, PPM_PER_PERCENT)}"
    return f"{limit.name} at most {format_duration(limit.at_most)}"


def _meter(file: LaunchFile, chosen: list[Choice]) -> Meter:
    if file.meter is None:
        return Meter(rate_per_s=0)
    if file.meter.get is None:
        chosen.append(Choice("meter.get", file.run.health, "from run.health"))
    return Meter(file.meter.get, file.meter.post, file.meter.body, file.meter.rate)


def _drain_ms(file: LaunchFile, chosen: list[Choice]) -> int:
    drain_ms = drain_ms_of(file)
    if file.drain is None:
        usual = drain_ms == default_of(Plan, "drain_deadline_ms")
        source = TMINUS if usual else "the longest drain of the routes"
        chosen.append(Choice("drain", format_duration(drain_ms), source))
    return drain_ms
