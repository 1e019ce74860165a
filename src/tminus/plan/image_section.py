"""`build.docker` and `run.docker` of launch.yaml, as models and as domain values. Must not judge the file."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field

from tminus.domain.plan.image import Container, Image, Machine
from tminus.plan.image_kinds import Cpus, Engine, InnerPath, Pids, Port, Repository, Size
from tminus.plan.kinds import EnvName, Secret, StepLine, Words
from tminus.plan.section import TMINUS, Section, default_of, given, usual
from tminus.plan.tree import Text, Tree

LOCAL = "127.0.0.1"


class ImageSection(Section):
    """How the tag's tree becomes an image: a Dockerfile, built by an engine and pushed to a registry."""

    registry: Repository = given(
        "registry and name of the image, without a tag: that is the release's own",
        examples=["registry.example.com/payment-app"],
    )
    file: InnerPath = usual(default_of(Image, "file"), TMINUS, "the Dockerfile, relative to `context`")
    context: InnerPath = usual(
        default_of(Image, "context"),
        TMINUS,
        "folder of the tag's tree that the build sees",
        shown="all of it",
    )
    target: Words = usual(default_of(Image, "target"), TMINUS, "stage to build", shown="the last one")
    args: dict[EnvName, Words] = given("build arguments, nothing secret", default={})
    login: Secret | None = usual(
        None, TMINUS, "reference to `user:password` of the registry", shown="as `docker login` left it"
    )
    smoke: StepLine = usual(
        default_of(Image, "smoke"),
        TMINUS,
        "run once in the image alone, without a network, before it is pushed",
        shown="one instance alone is asked for `run.health`",
        examples=["python -m app --version"],
    )


class HostSection(Section):
    """A machine on which instances run. In one word: its engine."""

    engine: Engine = given("address of its engine", examples=["ssh://deploy@web1"])
    address: Words | None = given(
        "where the router reaches it; the engine's host when not given", default=None
    )


def _in_one_word(value: Tree) -> Tree:
    return {"engine": value} if isinstance(value, Text) else value


class ContainerSection(Section):
    """How an instance runs in a container of the image."""

    port: Port = given("where the program in the image listens, on all its addresses", examples=["8000"])
    memory: Size = usual(default_of(Container, "memory_bytes"), TMINUS, "most memory of a container")
    cpus: Cpus = usual(default_of(Container, "cpu_milli"), TMINUS, "most processors of a container")
    pids: Pids = usual(default_of(Container, "pids"), TMINUS, "most processes and threads of a container")
    network: Words = usual(
        default_of(Container, "network"),
        TMINUS,
        "an existing network, or `host` for the machine's own",
        shown="one of the service's own",
    )
    hosts: (
        Annotated[list[Annotated[HostSection, BeforeValidator(_in_one_word)]], Field(min_length=1)] | None
    ) = usual(None, TMINUS, "machines over which instances are spread by turns", shown="this machine")


def image_of(section: ImageSection | None) -> Image | None:
    """As the domain has it."""
    if section is None:
        return None
    return Image(
        repository=section.registry,
        file=section.file,
        context=section.context,
        target=section.target,
        arguments=tuple(section.args.items()),
        login=section.login,
        smoke=section.smoke,
    )


def container_of(section: ContainerSection | None) -> Container | None:
    """As the domain has it."""
    if section is None:
        return None
    return Container(
        port=section.port,
        memory_bytes=section.memory,
        cpu_milli=section.cpus,
        pids=section.pids,
        network=section.network,
        machines=tuple(
            Machine(each.engine, each.address or urlsplit(each.engine).hostname or LOCAL)
            for each in section.hosts or []
        ),
    )
