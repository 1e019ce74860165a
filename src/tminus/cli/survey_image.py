"""What a Dockerfile and a compose file say about a service. Must not write anything or run what it finds."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

COMPOSE_FILES = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
MAX_FILE_BYTES = 200_000
LOCAL_REGISTRY = "127.0.0.1:5000"
DEFAULT_PORT = 8000
_SECRET = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|KEY|CREDENTIAL|DSN", re.IGNORECASE)
_PASSWORD_IN_URL = re.compile(r"://[^/\s:@]*:[^/\s@]+@")
_URL = re.compile(r"https?://(?:localhost|127\.0\.0\.1|0\.0\.0\.0)(?::\d+)?(/[^\s\"']*)")
_VARIABLE = re.compile(r"\$\{(\w+)(?::?-([^}]*))?\}|\$(\w+)")


@dataclass(frozen=True, slots=True)
class Packed:
    """How the service is packed, each value with why it was taken where that is not plain.

    Attributes:
        source: the file that said most.
        name: of the service; empty where nobody says.
        registry: registry and name of the image.
        registry_why: where that comes from.
        listen: port of the machine that the service had; 0 for none.
        limits: keys of `run.docker` besides the port.
        build: keys of `build.docker` besides the registry.
        command: in place of the image's own; empty for that.
        health: path of a health check; empty for none.
        instances: how many; 0 where nobody says.
        environment: variables that are no secrets.
        secrets: names of those that seem to be.
        workers: command by name.
        remarks: what was seen and is not used.
    """

    source: str
    name: str
    registry: str
    registry_why: str
    port: int
    port_why: str
    listen: int = 0
    limits: Mapping[str, str] = field(default_factory=dict)
    build: Mapping[str, str] = field(default_factory=dict)
    command: str = ""
    health: str = ""
    instances: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    workers: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


def survey_image(directory: Path, service: str) -> Packed | None:
    """What the files below `directory` say; None where there is nothing to build an image from."""
    compose = next((name for name in COMPOSE_FILES if (directory / name).is_file()), "")
    services = _services(_load(directory / compose)) if compose else {}
    built = {name: body for name, body in services.items() if body.get("build")}
    if built:
        return _from_compose(directory, compose, services, built, service)
    if (directory / "Dockerfile").is_file():
        return _from_dockerfile(directory, service)
    return None


def _from_dockerfile(directory: Path, service: str) -> Packed:
    text = _read(directory / "Dockerfile")
    port, why = _exposed(text)
    remark = f"no registry is named; {LOCAL_REGISTRY} is one on this machine: start it, or name yours"
    return Packed(
        source="Dockerfile",
        name="",
        registry=f"{LOCAL_REGISTRY}/{service}",
        registry_why="a registry on this machine: name yours",
        port=port,
        port_why=why,
        health=_health(text),
        remarks=(remark,),
    )


def _from_compose(
    directory: Path,
    compose: str,
    services: Mapping[str, dict[str, Any]],
    built: Mapping[str, dict[str, Any]],
    service: str,
) -> Packed:
    name = next((each for each, body in built.items() if body.get("ports")), next(iter(built)))
    body = built[name]
    build = _build(body["build"])
    text = _read(directory / build.get("context", ".") / build.get("file", "Dockerfile"))
    listen, inside = _ports(body)
    port, why = (inside, f"`ports` of {name} in {compose}") if inside else _exposed(text)
    registry, registry_why = _registry(str(body.get("image", "")), service, compose)
    environment, secrets = _environment(body.get("environment"))
    others = [each for each in services if each not in built]
    workers = {
        each: _words(own.get("command"), _entry_point(text))
        for each, own in built.items()
        if each != name and own["build"] == body["build"] and own.get("command") and not own.get("ports")
    }
    limits = dict(_limits(body))
    if others:
        limits["network"] = f"{_project(directory, compose)}_default"
    return Packed(
        source=compose,
        name=re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-"),
        registry=registry,
        registry_why=registry_why,
        port=port,
        port_why=why,
        listen=listen,
        limits=limits,
        build=build,
        command=_words(body.get("command"), _entry_point(text)),
        health=_health(" ".join(_list((body.get("healthcheck") or {}).get("test")))) or _health(text),
        instances=_count((body.get("deploy") or {}).get("replicas")),
        environment=environment,
        secrets=secrets,
        workers=workers,
        remarks=tuple(_remarks(compose, name, services, built, workers, registry)),
    )


def _remarks(
    compose: str,
    name: str,
    services: Mapping[str, dict[str, Any]],
    built: Mapping[str, dict[str, Any]],
    workers: Mapping[str, str],
    registry: str,
) -> Iterator[str]:
    if registry.startswith(LOCAL_REGISTRY):
        yield f"no registry is named; {LOCAL_REGISTRY} is one on this machine: start it, or name yours"
    others = [each for each in services if each not in built]
    if others:
        start = f"docker compose up --detach {' '.join(others)}"
        yield f"{', '.join(others)} of {compose}: not launched; start them with `{start}`"
    apart = [each for each in built if each != name and each not in workers]
    if apart:
        yield f"{', '.join(apart)} of {compose}: another image, which needs a plan of its own"
    unused = sorted({"volumes", "secrets", "configs", "env_file"} & services[name].keys())
    if unused:
        yield f"{', '.join(unused)} of {name} in {compose}: not taken over; containers of a slot keep nothing"


def _services(body: object) -> dict[str, dict[str, Any]]:
    found = body.get("services") if isinstance(body, dict) else None
    pairs = found.items() if isinstance(found, dict) else ()
    return {str(name): each for name, each in pairs if isinstance(each, dict)}


def _build(build: object) -> dict[str, str]:
    body = build if isinstance(build, dict) else {"context": build}
    context = str(body.get("context") or ".").removeprefix("./").rstrip("/") or "."
    found = {"context": context} if context != "." else {}
    for key, own in (("dockerfile", "file"), ("target", "target")):
        if body.get(key):
            found[own] = str(body[key])
    return found


def _ports(body: Mapping[str, Any]) -> tuple[int, int]:
    """Port on the machine and in the container of the first one that is published; 0 for none."""
    for each in body.get("ports") or []:
        if isinstance(each, dict):
            return _count(each.get("published")), _count(each.get("target"))
        parts = str(each).partition("/")[0].split(":")
        if parts[-1].isdigit():
            outside = parts[-2] if len(parts) > 1 else ""
            return _count(outside), int(parts[-1])
    return 0, _count(next(iter(body.get("expose") or []), 0))


def _exposed(text: str) -> tuple[int, str]:
    match = re.search(r"^\s*EXPOSE\s+(\d+)", text, re.MULTILINE | re.IGNORECASE)
    if match:
        return int(match[1]), "EXPOSE in the Dockerfile"
    return DEFAULT_PORT, "nothing says where the program listens: check this"


def _registry(image: str, service: str, compose: str) -> tuple[str, str]:
    name = re.sub(r"(:[\w][\w.-]*)?(@.*)?$", "", image.rpartition("/")[2])
    folder = image.rpartition("/")[0]
    host = folder.partition("/")[0]
    if folder and ("." in host or ":" in host or host == "localhost"):
        return f"{folder}/{name}", f"`image` in {compose}"
    return f"{LOCAL_REGISTRY}/{service}", "a registry on this machine: name yours"


def _environment(found: object) -> tuple[dict[str, str], tuple[str, ...]]:
    if isinstance(found, dict):
        pairs = [(str(name), value) for name, value in found.items()]
    else:
        pairs = [
            (name, value if equals else None)
            for name, equals, value in (str(each).partition("=") for each in _list(found))
        ]
    environment: dict[str, str] = {}
    secrets = []
    for name, value in pairs:
        text = "" if value is None else _VARIABLE.sub(lambda match: match[2] or "", str(value))
        asked = value is None or any(not match[2] for match in _VARIABLE.finditer(str(value)))
        if name == "PORT":
            continue
        if asked or _SECRET.search(name) or _PASSWORD_IN_URL.search(text):
            secrets.append(name)
        else:
            environment[name] = text
    return environment, tuple(secrets)


def _limits(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    limits = ((body.get("deploy") or {}).get("resources") or {}).get("limits") or {}
    memory = str(limits.get("memory") or body.get("mem_limit") or "")
    if match := re.fullmatch(r"(\d+)\s*([kKmMgG])i?[bB]?", memory):
        yield "memory", f"{match[1]}{match[2].upper()}iB"
    cpus = str(limits.get("cpus") or body.get("cpus") or "")
    if re.fullmatch(r"\d+(\.\d{1,3})?", cpus):
        yield "cpus", cpus


def _project(directory: Path, compose: str) -> str:
    body = _load(directory / compose)
    name = str(body.get("name") or directory.name) if isinstance(body, dict) else directory.name
    return re.sub(r"[^a-z0-9_-]", "", name.lower())


def _health(text: str) -> str:
    match = _URL.search(text)
    return match[1] if match else ""


def _entry_point(text: str) -> list[str]:
    """Of an image, where it is a list of words: a plan's command replaces it, a compose file's follows it."""
    match = re.search(r"^\s*ENTRYPOINT\s+(\[.*\])", text, re.MULTILINE | re.IGNORECASE)
    try:
        return _list(json.loads(match[1])) if match else []
    except ValueError:
        return []


def _words(command: object, entry_point: list[str]) -> str:
    """A command line of the plan, empty for none; what a shell must see stays a list."""
    words = shlex.split(command) if isinstance(command, str) else _list(command)
    words = [*entry_point, *words] if words else []
    needs_list = any(re.search(r"[|;&<>$`]", word) for word in words)
    return json.dumps(words) if needs_list and words else shlex.join(words)


def _list(value: object) -> list[str]:
    if isinstance(value, list):
        return [str(each) for each in value]
    return [] if value is None else [str(value)]


def _count(value: object) -> int:
    return int(str(value)) if str(value).isdigit() else 0


def _load(path: Path) -> object:
    try:
        return yaml.safe_load(_read(path))
    except yaml.YAMLError:
        return {}


def _read(path: Path) -> str:
    try:
        if not path.is_file() or path.stat().st_size > MAX_FILE_BYTES:
            return ""
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
