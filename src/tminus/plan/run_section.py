"""`run` of launch.yaml: how a slot's instances and workers start, and what is run once before them."""

from tminus.domain.plan.plan import OneOff, Run, Worker
from tminus.plan.image_section import ContainerSection
from tminus.plan.kinds import (
    ClassName,
    CommandLine,
    Duration,
    EnvName,
    Instances,
    Secret,
    StepLine,
    UrlPath,
    Words,
)
from tminus.plan.section import HANDBOOK, TMINUS, Section, default_of, given, usual


class WorkerSection(Section):
    """A background worker of a slot: started and stopped with it, and never sent a request."""

    command: StepLine = given("starts one instance of the worker", examples=["python -m app.worker"])
    instances: Instances = usual(default_of(Worker, "instances"), TMINUS, "how many instances each slot runs")


class OneOffSection(Section):
    """A command run once in the artifact, after the expand migration and before the slot starts."""

    name: Words = given("shown in the log; no two commands share one", examples=["rebuild the search index"])
    command: StepLine = given("run once; a failure ends the launch", examples=["python -m app.reindex"])
    deadline: Duration = usual(
        default_of(OneOff, "deadline_ms"), TMINUS, "the command is ended after this time and counts as failed"
    )


class RunSection(Section):
    """How a slot's instances are started."""

    command: CommandLine = given(
        "starts one instance; `{port}` becomes its port, which PORT in its environment holds too",
        examples=["python -m uvicorn app:app --port {port}"],
        default=(),
    )
    docker: ContainerSection | None = given(
        "runs instances, workers and commands in containers of the image; the image's own command when "
        "`command` is not given",
        default=None,
    )
    instances: Instances = usual(default_of(Run, "instances"), HANDBOOK, "how many instances each slot runs")
    env: dict[EnvName, Words] = given(
        "environment variables, nothing secret", default={}, examples=[{"LOG_LEVEL": "info"}]
    )
    secrets: dict[EnvName, Secret] = given(
        "environment variables by reference: env:NAME, file:PATH or command:LINE",
        default={},
        examples=[{"DATABASE_URL": "env:DATABASE_URL"}],
    )
    health: UrlPath = usual(
        default_of(Run, "health_path"), TMINUS, "path that answers 200 when an instance is ready for traffic"
    )
    boot: Duration = usual(
        default_of(Run, "boot_deadline_ms"),
        TMINUS,
        "an instance that is not healthy after this time failed to start",
    )
    stop: Duration = usual(
        default_of(Run, "stop_grace_ms"),
        TMINUS,
        "time between SIGTERM and SIGKILL when an instance is stopped",
    )
    workers: dict[ClassName, WorkerSection] = given(
        "background workers of a slot", default={}, examples=[{"settle": {"command": "python -m app.worker"}}]
    )
    before: list[OneOffSection] = given(
        "commands run once, in order, after the expand migration and before the slot starts",
        default=[],
        examples=[[{"name": "rebuild the search index", "command": "python -m app.reindex"}]],
    )
