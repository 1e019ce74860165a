"""The jobs a launch needs, built as values: what each is called and what it is told."""

from tminus.domain.canonical import Json
from tminus.domain.codec import to_json
from tminus.domain.launch.command import StartJob
from tminus.domain.launch.reading import SlotReading
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.plan import Plan
from tminus.domain.plan.request import Request
from tminus.engine.decide.launch.bounds import METER_DEADLINE_MS, SMOKE_DEADLINE_MS

BUILD = "build"
SMOKE = "smoke"
CRITICAL_PATHS = "critical-paths"
METER = "meter"


def build_job(state: LaunchState) -> StartJob:
    """Builds the commit that the tag named when the launch was planned."""
    plan = state.plan
    arguments: Json = {
        "repository": plan.source.repository,
        "tag": plan.source.tag,
        "commit": state.commit,
        "command": list(plan.build.command),
    }
    return StartJob(BUILD, "build", arguments, plan.build.deadline_ms)


def smoke_job(state: LaunchState, candidate: SlotReading) -> StartJob:
    """Sends the smoke suite to every candidate instance itself, never through the router's net."""
    targets = [f"http://{instance.address}" for instance in candidate.instances]
    return _suite(SMOKE, smoke_requests(state.plan), targets)


def critical_paths_job(state: LaunchState) -> StartJob:
    """Sends the critical paths through the router, as a user would."""
    plan = state.plan
    target = f"http://{plan.listen.host}:{plan.listen.port}"
    return _suite(CRITICAL_PATHS, plan.critical_paths or smoke_requests(plan), [target])


def meter_job(state: LaunchState) -> StartJob:
    """Sends numbered requests through the router until it is stopped."""
    plan = state.plan
    arguments: Json = {
        "url": f"http://{plan.listen.host}:{plan.listen.port}",
        "path": plan.meter.path or plan.run.health_path,
        "post_path": plan.meter.post_path,
        "post_body": plan.meter.post_body,
        "rate_per_s": plan.meter.rate_per_s,
    }
    return StartJob(METER, "meter", arguments, METER_DEADLINE_MS)


def smoke_requests(plan: Plan) -> tuple[Request, ...]:
    """The plan's smoke suite, else its critical paths, else the health path."""
    health = Request(f"GET {plan.run.health_path}", "GET", plan.run.health_path)
    return plan.smoke or plan.critical_paths or (health,)


def _suite(key: str, requests: tuple[Request, ...], targets: list[str]) -> StartJob:
    arguments: Json = {"requests": to_json(requests), "targets": to_json(targets)}
    return StartJob(key, "smoke", arguments, SMOKE_DEADLINE_MS)
