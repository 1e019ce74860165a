"""The jobs a launch needs, built as values: what each is called and what it is told."""

from collections.abc import Mapping
from typing import Any

from tminus.domain.canonical import Json
from tminus.domain.codec import to_json
from tminus.domain.launch.command import StartJob
from tminus.domain.launch.event import JobEnded
from tminus.domain.launch.job import SUITES
from tminus.domain.launch.reading import JobPhase, SlotReading
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.database import Database
from tminus.domain.plan.plan import ArtifactSmoke, OneOff, Plan
from tminus.domain.plan.request import Request
from tminus.domain.watch.measurement import Arm
from tminus.domain.watch.probe import probes, secrets_of
from tminus.engine.decide.launch.bounds import (
    METER_DEADLINE_MS,
    SAMPLER_SLACK_MS,
    SHORT_DEADLINE_MS,
    SMOKE_DEADLINE_MS,
)
from tminus.engine.decide.launch.image_work import housed, image_build_job, image_verify_job

ARTIFACT = "verify-artifact"
BACKUP = "backup"
RESTORE = "restore-test"
OWED = "owed-contract"
EXPAND = "expand"
STABLE_SMOKE = "smoke-stable"
RESOURCES = "resources"
WARM = "warm"
INTEGRITY = "integrity"
SAMPLER = "sampler"
MEASURE = "measure"
ALONE = "none"
"""What TMINUS_SLOT says to an instance that is in no slot."""

BUILD = "build"
ARTIFACT_SMOKE = "artifact-smoke"
SMOKE = "smoke"
CRITICAL_PATHS = "critical-paths"
METER = "meter"
COLD_METER = "meter-cold"
METERS = (METER, COLD_METER)
"""While traffic moves to the candidate, and while a cold rollback takes it back after that one has ended."""


def build_job(state: LaunchState) -> StartJob:
    """Builds the commit that the tag named when the launch was planned."""
    plan = state.plan
    if plan.build.image is not None:
        return image_build_job(state, plan.build.image, BUILD)
    arguments: dict[str, Json] = {
        "repository": plan.source.repository,
        "tag": plan.source.tag,
        "commit": state.commit,
        "command": list(plan.build.command),
    }
    if plan.source.makes_tag:
        arguments["make_tag"] = f"{plan.service} {plan.version} in {plan.environment}"
    return StartJob(BUILD, "build", arguments, plan.build.deadline_ms)


def artifact_smoke_job(state: LaunchState) -> StartJob:
    """Starts one instance of the artifact on a port of its own, asks it, and stops it again."""
    run, build = state.plan.run, state.plan.build
    only_health = build.smoke is ArtifactSmoke.HEALTH
    requests = (_health(state.plan),) if only_health else smoke_requests(state.plan)
    own = dict(build.smoke_environment)
    secrets = {name: text for name, text in _run_secrets(state.plan).items() if name not in own}
    arguments: Json = {
        "command": list(run.command),
        "artifact": state.artifact,
        "environment": {
            **dict(run.environment),
            **own,
            "TMINUS_SLOT": ALONE,
            "TMINUS_VERSION": state.plan.version,
        },
        "secrets": {**secrets, **{name: ref.text() for name, ref in build.smoke_secrets}},
        "health_path": run.health_path,
        "boot_deadline_ms": run.boot_deadline_ms,
        "requests": to_json(requests),
    }
    deadline_ms = run.boot_deadline_ms + SMOKE_DEADLINE_MS
    return StartJob(ARTIFACT_SMOKE, "artifact-smoke", arguments, deadline_ms)


def smoke_job(state: LaunchState, candidate: SlotReading) -> StartJob:
    """Sends the smoke suite to every candidate instance itself, never through the router's net."""
    targets = [f"http://{instance.address}" for instance in candidate.instances]
    return _suite(SMOKE, smoke_requests(state.plan), targets)


def critical_paths_job(state: LaunchState) -> StartJob:
    """Sends the critical paths through the router, as a user would."""
    plan = state.plan
    target = f"http://{plan.listen.host}:{plan.listen.port}"
    return _suite(CRITICAL_PATHS, plan.critical_paths or smoke_requests(plan), [target])


def meter_job(state: LaunchState, key: str = METER) -> StartJob:
    """Sends numbered requests through the router until it is stopped."""
    plan = state.plan
    arguments: Json = {
        "url": f"http://{plan.listen.host}:{plan.listen.port}",
        "path": plan.meter.path or plan.run.health_path,
        "post_path": plan.meter.post_path,
        "post_body": plan.meter.post_body,
        "rate_per_s": plan.meter.rate_per_s,
    }
    return StartJob(key, "meter", arguments, METER_DEADLINE_MS)


def smoke_requests(plan: Plan) -> tuple[Request, ...]:
    """The plan's smoke suite, else its critical paths, else the health path."""
    return plan.smoke or plan.critical_paths or (_health(plan),)


def _health(plan: Plan) -> Request:
    return Request(f"GET {plan.run.health_path}", "GET", plan.run.health_path)


def _suite(key: str, requests: tuple[Request, ...], targets: list[str]) -> StartJob:
    arguments: Json = {"requests": to_json(requests), "targets": to_json(targets)}
    return StartJob(key, "smoke", arguments, SMOKE_DEADLINE_MS)


def artifact_job(state: LaunchState) -> StartJob:
    """Hashes the artifact again: what starts must be what was built."""
    if state.plan.build.image is not None:
        return image_verify_job(state, ARTIFACT)
    return StartJob(ARTIFACT, "verify-artifact", {"artifact": state.artifact}, SHORT_DEADLINE_MS)


def resources_job(plan: Plan) -> StartJob:
    """Asks the machine what it has left."""
    wanted: Json = {
        "disk_free_ppm": plan.resources.disk_free_ppm,
        "memory_free_ppm": plan.resources.memory_free_ppm,
    }
    return StartJob(RESOURCES, "resources", wanted, SHORT_DEADLINE_MS)


def warm_job(plan: Plan, candidate: SlotReading) -> StartJob:
    """Fetches what users will ask for first, through the edge where the plan names one."""
    own = [f"http://{instance.address}" for instance in candidate.instances]
    targets = own if plan.warming.edge is None else [plan.warming.edge]
    arguments: Json = {
        "paths": list(plan.warming.paths),
        "targets": to_json(targets),
        "deadline_ms": plan.warming.deadline_ms,
    }
    return StartJob(WARM, "warm", arguments, plan.warming.deadline_ms + SHORT_DEADLINE_MS)


def stable_smoke_job(state: LaunchState, stable: SlotReading) -> StartJob:
    """Sends the stable release its own smoke suite: it must live with the expanded schema."""
    targets = [f"http://{instance.address}" for instance in stable.instances]
    return _suite(STABLE_SMOKE, state.stable_smoke or (_health(state.plan),), targets)


def backup_job(state: LaunchState, database: Database) -> StartJob:
    """Takes a backup; a scheduled one that has begun may end first, where nobody stops it.

    Before a first launch the database may be empty or not be there, and then there is nothing to take.
    """
    deadline_ms = database.backups.deadline_ms
    arguments: Json = {
        "secrets": _database_secret(database),
        "wait_ms": deadline_ms // 2,
        "unless_empty": state.stable is None,
        "method": database.backups.method,
    }
    return StartJob(BACKUP, "backup", arguments, deadline_ms)


def backup_path(state: LaunchState) -> str:
    """Where the backup of this launch is; empty before it is taken, and where there was nothing to take."""
    ended = state.jobs.get(BACKUP)
    result = ended.result if ended is not None and ended.phase is JobPhase.DONE else None
    return str(result.get("path") or "") if isinstance(result, dict) else ""


def restore_job(state: LaunchState, database: Database) -> StartJob:
    """Restores the backup of this launch into a scratch database and compares."""
    arguments: Json = {
        "path": backup_path(state),
        "secrets": _database_secret(database),
    }
    return StartJob(RESTORE, "restore-test", arguments, database.backups.deadline_ms)


def migrate_job(
    state: LaunchState, database: Database, key: str, command: tuple[str, ...], digest: str
) -> StartJob:
    """Runs a migration command in the artifact of `digest`, as the release of that artifact runs."""
    run = state.plan.run if digest == state.artifact else state.stable_run or state.plan.run
    arguments: Json = {
        "command": list(command),
        "artifact": digest,
        "environment": dict(state.plan.run.environment),
        "secrets": {**_run_secrets(state.plan), **_database_secret(database)},
        "lock_timeout_ms": database.migrations.lock_timeout_ms,
        "deadline_ms": database.migrations.deadline_ms,
        **housed(run),
    }
    deadline_ms = database.migrations.deadline_ms + SHORT_DEADLINE_MS
    return StartJob(key, "migrate", arguments, deadline_ms)


def one_off_job(state: LaunchState, one_off: OneOff) -> StartJob:
    """Runs a command once in the candidate's artifact."""
    secrets = _run_secrets(state.plan)
    if state.plan.database is not None:
        secrets = {**_database_secret(state.plan.database), **secrets}
    arguments: Json = {
        "command": list(one_off.command),
        "artifact": state.artifact,
        "environment": dict(state.plan.run.environment),
        "secrets": to_json(secrets),
        "deadline_ms": one_off.deadline_ms,
        **housed(state.plan.run),
    }
    deadline_ms = one_off.deadline_ms + SHORT_DEADLINE_MS
    return StartJob(one_off_key(one_off), "command", arguments, deadline_ms)


def one_off_key(one_off: OneOff) -> str:
    """The key of a one-off command's job."""
    return f"one-off-{one_off.name}"


def integrity_job(database: Database) -> StartJob:
    """Runs the integrity queries."""
    arguments: Json = {"checks": to_json(database.integrity), "secrets": _database_secret(database)}
    return StartJob(INTEGRITY, "integrity", arguments, SHORT_DEADLINE_MS)


def sampler_job(state: LaunchState, database: Database) -> StartJob:
    """Asks the plan's questions until it is stopped."""
    values = {"version": state.plan.version, "slot": state.candidate.value}
    questions = [
        {
            "name": question.name,
            "sql": _filled(question.sql, values),
            "every_ms": question.every_ms,
            "limit_ms": question.limit_ms,
        }
        for question in database.questions
    ]
    arguments: Json = {
        "questions": to_json(questions),
        "database": True,
        "secrets": _database_secret(database),
    }
    return StartJob(SAMPLER, "sampler", arguments, _lasting_deadline_ms(state.plan))


def measure_job(state: LaunchState) -> StartJob | None:
    """Asks the sources of the plan's metrics until it is stopped; None where nobody is asked."""
    versions = {Arm.CANDIDATE: {"slot": state.candidate.value, "version": state.plan.version}}
    if state.stable is not None:
        versions[Arm.STABLE] = {"slot": state.stable.value, "version": state.stable_version or ""}
    asked = probes(state.plan.metrics, versions)
    if not asked:
        return None
    secrets = dict.fromkeys(ref.text() for probe in asked for ref in secrets_of(probe.metric.source))
    arguments: Json = {
        "probes": to_json(asked),
        "artifact": "" if state.plan.adopt else state.artifact,
        "secrets": {f"TMINUS_METRIC_SECRET_{index}": text for index, text in enumerate(secrets)},
    }
    return StartJob(MEASURE, "measure", arguments, _lasting_deadline_ms(state.plan))


def _lasting_deadline_ms(plan: Plan) -> int:
    return plan.verify.for_ms + plan.bake.for_ms + plan.watch.for_ms + SAMPLER_SLACK_MS


def _filled(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    return text


def _database_secret(database: Database) -> dict[str, Json]:
    return {"DATABASE_URL": database.url.text()}


def _run_secrets(plan: Plan) -> dict[str, Json]:
    return {name: ref.text() for name, ref in plan.run.secrets}


def failure_of(ended: JobEnded) -> str:
    """Why an ended job is a failure, empty when it is none."""
    if ended.phase is not JobPhase.DONE:
        return f"{ended.why} [{ended.code}]"
    if ended.key not in SUITES:
        return ""
    result = ended.result if isinstance(ended.result, dict) else {}
    if result.get("passed") is True:
        return ""
    # A suite that says neither has not passed: missing evidence is no good news.
    return (
        _first_failure(result) if result.get("passed") is False else "its result does not say that it passed"
    )


def _first_failure(result: Mapping[str, Any]) -> str:
    for target in _objects(result.get("targets", [result])):
        for answer in _objects(target.get("answers")):
            if not answer.get("passed"):
                where = f" at {target['target']}" if "target" in target else ""
                return f"{answer.get('name')}{where}: {answer.get('why')}"
    differences = result.get("differences")
    return str(differences[0]) if isinstance(differences, list) and differences else "no answer passed"


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
