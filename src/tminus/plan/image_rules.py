"""What must hold between images, containers and the rest of a plan. Must not type single values."""

import re
from collections.abc import Iterator

from tminus.domain.problem import Problem
from tminus.plan.breach import Breach, Rule
from tminus.plan.model import LaunchFile
from tminus.plan.run_section import RunSection

_LOCAL_REGISTRY = re.compile(r"(localhost|127(\.\d+){3})(:\d+)?/.*")


def _command(file: LaunchFile) -> Iterator[Breach]:
    if not file.run.command and file.run.docker is None:
        field = RunSection.model_fields["command"]
        problem = Problem(
            "plan-missing-key",
            "`run` has no `command`",
            why=f"command: {field.description}",
            fix=f"add `command: {(field.examples or [''])[0]}`",
        )
        yield Breach(("run",), problem, at_key=True)


def _together(file: LaunchFile) -> Iterator[Breach]:
    if file.build.docker is not None and file.run.docker is None:
        what = "`build.docker` makes an image, but `run` starts a process"
        fix = "add `run: {docker: {port: 8000}}`, or build by `build.command`"
        yield Breach(("build", "docker"), Problem("plan-build-mismatch", what, fix=fix), at_key=True)
    if file.run.docker is not None and file.build.docker is None:
        what = "`run.docker` starts containers, but `build` makes no image"
        fix = "add `build: {docker: {registry: registry.example.com/NAME}}`, or remove `run.docker`"
        yield Breach(("run", "docker"), Problem("plan-build-mismatch", what, fix=fix), at_key=True)
    if file.build.docker is None:
        return
    for key in ("smoke", "smoke_env", "smoke_secrets"):
        if key in file.build.model_fields_set:
            what = f"`build.{key}` is for an artifact that is a tree"
            fix = "say how the image is tried by `build.docker.smoke`"
            yield Breach(("build", key), Problem("plan-build-mismatch", what, fix=fix), at_key=True)
    if file.build.command:
        what = "`build` has both `command` and `docker`"
        why = "an image is built from the tag's tree as it is"
        fix = "run the command in the Dockerfile, and remove `build.command`"
        yield Breach(
            ("build", "command"), Problem("plan-build-mismatch", what, why=why, fix=fix), at_key=True
        )


def _smoke(file: LaunchFile) -> Iterator[Breach]:
    if file.build.docker is None or file.build.docker.smoke:
        return
    needs = "secrets" if file.run.secrets else "a database" if file.database is not None else ""
    if needs:
        problem = Problem(
            "plan-image-smoke",
            f"an instance needs {needs}, so the image alone cannot be asked for its health",
            why="an image is tried before it is pushed, without secrets and without a network",
            fix="add `build.docker.smoke`: a command that ends with 0, such as `python -m app --version`",
        )
        yield Breach(("build", "docker"), problem, at_key=True)


def _reach(file: LaunchFile) -> Iterator[Breach]:
    if file.build.docker is None or file.run.docker is None:
        return
    if not _LOCAL_REGISTRY.fullmatch(file.build.docker.registry):
        return
    for index, host in enumerate(file.run.docker.hosts or []):
        if not host.engine.startswith("unix:") and "127.0.0.1" not in host.engine:
            problem = Problem(
                "plan-registry-local",
                f"{host.engine} cannot pull from {file.build.docker.registry}",
                why="on that machine the name of the registry means that machine itself",
                fix="take a registry that every host reaches by the same name",
            )
            yield Breach(("run", "docker", "hosts", index), problem)


IMAGE_RULES = (
    Rule(_command, frozenset({"run"})),
    Rule(_together, frozenset({"build", "run"})),
    Rule(_smoke, frozenset({"build", "run", "database"})),
    Rule(_reach, frozenset({"build", "run"})),
)
