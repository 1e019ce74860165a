"""The jobs of a launch whose artifact is an image, built as values."""

from tminus.domain.canonical import Json
from tminus.domain.codec import to_json
from tminus.domain.launch.command import StartJob
from tminus.domain.launch.state import LaunchState
from tminus.domain.plan.image import Image
from tminus.domain.plan.plan import Plan, Run

PULL = "pull"
PULL_DEADLINE_MS = 10 * 60_000
"""Of a gigabyte to a few machines; an image is pulled before anything of it is needed."""

VERIFY_DEADLINE_MS = 60_000
LOGIN = "TMINUS_REGISTRY_LOGIN"


def image_build_job(state: LaunchState, image: Image, key: str) -> StartJob:
    """Builds the image of the commit that the tag named, tries it alone, and pushes it."""
    plan = state.plan
    arguments: Json = {
        "repository": plan.source.repository,
        "tag": plan.source.tag,
        "commit": state.commit,
        "version": plan.version,
        "image": to_json(image),
        "container": to_json(plan.run.container),
        "command": list(plan.run.command),
        "environment": dict(plan.run.environment),
        "health": plan.run.health_path,
        "boot_ms": plan.run.boot_deadline_ms,
        "make_tag": f"{plan.service} {plan.version} in {plan.environment}" if plan.source.makes_tag else "",
        "secrets": _login(plan),
    }
    return StartJob(key, "build-image", arguments, plan.build.deadline_ms)


def image_verify_job(state: LaunchState, key: str) -> StartJob:
    """Asks the registry whether it still has what was pushed."""
    arguments: Json = {"artifact": state.artifact, "secrets": _login(state.plan)}
    return StartJob(key, "verify-image", arguments, VERIFY_DEADLINE_MS)


def pull_job(state: LaunchState) -> StartJob:
    """Brings the image to every machine of the plan."""
    container = state.plan.run.container
    machines = [] if container is None else [each.engine for each in container.machines]
    arguments: Json = {
        "artifact": state.artifact,
        "machines": to_json(machines),
        "secrets": _login(state.plan),
    }
    return StartJob(PULL, "pull-image", arguments, PULL_DEADLINE_MS)


def housed(run: Run) -> dict[str, Json]:
    """What a command that runs once is told where it runs in a container; nothing where it does not."""
    return {} if run.container is None else {"container": to_json(run.container)}


def _login(plan: Plan) -> Json:
    image = plan.build.image
    return {} if image is None or image.login is None else {LOGIN: image.login.text()}
