"""What a repository says about the service in it. Must not write anything or run what it finds."""

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tminus.cli.survey_image import Packed, survey_image

MAX_FILES = 2_000  # enough to find an application object; a survey should take a second
MAX_FILE_BYTES = 200_000
SKIPPED = frozenset(
    {"node_modules", "venv", "dist", "build", "site-packages", "tests", "test", "__pycache__"}
)
SOURCES = frozenset({".py", ".js", ".ts", ".go", ".rb", ".java", ".php"})
HEALTH_PATHS = ("/healthz", "/readyz", "/health", "/ready", "/api/health", "/up", "/ping", "/status")

APPLICATION = re.compile(
    r"^(\w+)(?:\s*:\s*\w+)?\s*=\s*(FastAPI|Starlette|Quart|Litestar|Flask)\(", re.MULTILINE
)
ASGI_FACTORIES = frozenset({"FastAPI", "Starlette", "Quart", "Litestar"})
BARE_ASGI = re.compile(r"^async def (\w+)\(\s*scope\b[^)]*\breceive\b[^)]*\bsend\b", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Guess:
    """A value for a key of the plan, and why it was taken."""

    value: str
    why: str


@dataclass(frozen=True, slots=True)
class Tags:
    """The newest version tag that the checked-out commit has or descends from, and whether it has it."""

    newest: str = ""
    is_head: bool = False


@dataclass(frozen=True, slots=True)
class Survey:
    """Guesses for the keys that a repository can answer.

    Attributes:
        service: a DNS label.
        version: the version to launch, without a leading v.
        command: starts the service; a command line, or a JSON list of words where a shell is needed.
        build: run once in the tag's tree; None where nothing needs building.
        health: a path that should answer 200.
        remarks: what was seen and is not used.
        packed: how it is packed as an image; None without a Dockerfile or a compose file that builds one.
    """

    service: Guess
    version: Guess
    command: Guess
    build: Guess | None
    health: Guess
    remarks: tuple[str, ...]
    packed: Packed | None = None


def survey(directory: Path, tags: Tags) -> Survey:
    """Looks at the files below `directory`; what cannot be read is passed over."""
    sources = dict(_sources(directory))
    python = _python_project(directory)
    node = _node_package(directory)
    service = _service(directory, python, node)
    packed = survey_image(directory, service.value)
    return Survey(
        service=service,
        version=_version(tags, python, node),
        command=_command(directory, sources, _requirements(directory, python), node),
        build=_build(sources, node),
        health=_health(sources),
        remarks=(*(packed.remarks if packed else ()), *_remarks(directory)),
        packed=packed,
    )


def _read(path: Path) -> str:
    try:
        if not path.is_file() or path.stat().st_size > MAX_FILE_BYTES:
            return ""
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _sources(directory: Path) -> Iterator[tuple[Path, str]]:
    """Source files with their content, those near the top first."""
    found: list[Path] = []
    folders = [directory]
    while folders and len(found) < MAX_FILES:
        folder = folders.pop(0)
        try:
            entries = sorted(folder.iterdir())
        except OSError:
            continue
        folders += [each for each in entries if _is_searched(each)]
        found += [each for each in entries if each.suffix in SOURCES and each.is_file()]
    for path in found[:MAX_FILES]:
        yield path.relative_to(directory), _read(path)


def _is_searched(path: Path) -> bool:
    return (
        not path.name.startswith(".") and path.name not in SKIPPED and path.is_dir() and not path.is_symlink()
    )


def _python_project(directory: Path) -> dict[str, Any]:
    try:
        project = tomllib.loads(_read(directory / "pyproject.toml")).get("project", {})
    except tomllib.TOMLDecodeError:
        return {}
    return project if isinstance(project, dict) else {}


def _node_package(directory: Path) -> dict[str, Any]:
    try:
        package = json.loads(_read(directory / "package.json") or "{}")
    except ValueError:
        return {}
    return package if isinstance(package, dict) else {}


def _requirements(directory: Path, python: dict[str, Any]) -> str:
    listed = python.get("dependencies", [])
    names = [str(each) for each in listed] if isinstance(listed, list) else []
    return "\n".join([_read(directory / "requirements.txt"), *names]).lower()


def _service(directory: Path, python: dict[str, Any], node: dict[str, Any]) -> Guess:
    named = ((python, "pyproject.toml"), (node, "package.json"))
    for name, why in (
        *((str(each.get("name", "")), why) for each, why in named),
        (directory.name, "this folder"),
    ):
        label = re.sub(r"[^a-z0-9]+", "-", name.rpartition("/")[2].lower())[:63].strip("-")
        if label:
            return Guess(label, f"the name in {why}" if why != "this folder" else "the name of this folder")
    return Guess("service", "this folder has no name that could serve")


def _version(tags: Tags, python: dict[str, Any], node: dict[str, Any]) -> Guess:
    match = re.fullmatch(r"v(\d+)\.(\d+)\.(\d+)", tags.newest)
    if match and tags.is_head:
        return Guess(tags.newest[1:], f"the checked-out commit is tagged {tags.newest}")
    if match:
        return Guess(f"{int(match[1])}.{int(match[2]) + 1}.0", f"the next minor version after {tags.newest}")
    for package, file in ((python, "pyproject.toml"), (node, "package.json")):
        version = str(package.get("version", ""))
        if re.fullmatch(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)", version):
            return Guess(version, f"the version in {file}; there is no tag such as v{version} yet")
    return Guess("0.1.0", "there is no tag such as v0.1.0 yet")


def _command(directory: Path, sources: dict[Path, str], requirements: str, node: dict[str, Any]) -> Guess:
    if procfile := re.search(r"^web:\s*(.+)$", _read(directory / "Procfile"), re.MULTILINE):
        return Guess(_without_shell(procfile[1].strip()), "the line `web` of the Procfile")
    found = _django(sources, requirements) or _application(sources, requirements)
    if found:
        return found
    scripts = node.get("scripts", {})
    if isinstance(scripts, dict) and "start" in scripts:
        return Guess("npm start", "the script `start` in package.json; it must read PORT")
    for path, text in sources.items():
        if path.suffix == ".py" and "PORT" in text and "environ" in text:
            return Guess(_program(path), f"{path} reads PORT")
    return Guess("./serve --port {port}", "nothing was recognised: write here what starts your service")


def _without_shell(line: str) -> str:
    """A Procfile's line with `{port}`, run by a shell only where it needs one."""
    line = re.sub(r"\$(?:PORT\b|\{PORT(?::-\d+)?\})", "{port}", line)
    if re.search(r"[$|;&<>`]", line):
        return json.dumps(["sh", "-c", f"exec {line}" if not re.search(r"[|;&]", line) else line])
    return line


def _django(sources: dict[Path, str], requirements: str) -> Guess | None:
    manage = next((path for path in sources if path.name == "manage.py"), None)
    if manage is None:
        return None
    for file, server, program in (("asgi.py", _uvicorn, "uvicorn"), ("wsgi.py", _gunicorn, "gunicorn")):
        path = next((path for path in sources if path.name == file), None)
        if path and program in requirements:
            return Guess(server(path, "application"), f"Django, served by {program}")
    line = f"python3 {shlex.quote(str(manage))} runserver 127.0.0.1:{{port}} --noreload"
    return Guess(line, "Django; take uvicorn or gunicorn for production")


def _application(sources: dict[Path, str], requirements: str) -> Guess | None:
    for path, text in sources.items():
        if path.suffix != ".py":
            continue
        if match := APPLICATION.search(text):
            return _served(path, match[1], match[2], requirements)
        if match := BARE_ASGI.search(text):
            return Guess(_uvicorn(path, match[1]), f"the ASGI application `{match[1]}` in {path}")
    return None


def _served(path: Path, name: str, factory: str, requirements: str) -> Guess:
    why = f"{factory} `{name}` in {path}"
    if factory in ASGI_FACTORIES:
        return Guess(_uvicorn(path, name), why)
    if "gunicorn" in requirements:
        return Guess(_gunicorn(path, name), why)
    line = f"python3 -m flask --app {shlex.quote(f'{path}:{name}')} run --port {{port}}"
    return Guess(line, f"{why}; take gunicorn for production")


def _program(path: Path) -> str:
    if path.name == "__main__.py" and len(path.parts) > 1 and path.parts[0] != "src":
        return f"python3 -m {shlex.quote('.'.join(path.parent.parts))}"
    return f"python3 {shlex.quote(str(path))}"


def _uvicorn(path: Path, name: str) -> str:
    module, below_src = _module(path)
    folder = " --app-dir src" if below_src else ""
    return f"python3 -m uvicorn {module}:{name}{folder} --host 127.0.0.1 --port {{port}}"


def _gunicorn(path: Path, name: str) -> str:
    module, below_src = _module(path)
    folder = " --pythonpath src" if below_src else ""
    return f"python3 -m gunicorn --bind 127.0.0.1:{{port}}{folder} {module}:{name}"


def _module(path: Path) -> tuple[str, bool]:
    """Dotted name of a source file, and whether it stands below a folder `src`, which is no package."""
    parts = path.with_suffix("").parts
    below_src = parts[0] == "src" and len(parts) > 1
    parts = parts[1:] if below_src else parts
    named = parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts
    return shlex.quote(".".join(named)), below_src


def _build(sources: dict[Path, str], node: dict[str, Any]) -> Guess | None:
    scripts = node.get("scripts", {})
    if isinstance(scripts, dict) and "build" in scripts:
        return Guess("npm run build", "the script `build` in package.json")
    if any(path.suffix == ".py" for path in sources):
        return Guess("python3 -m compileall -q .", "finds Python that does not parse before it is launched")
    return None


def _health(sources: dict[Path, str]) -> Guess:
    for health in HEALTH_PATHS:
        for path, text in sources.items():
            if re.search(rf"""["'`]{re.escape(health)}/?["'`]""", text):
                return Guess(health, f"found in {path}")
    return Guess("/healthz", "no health path was found: add one that answers 200, or name another path")


def _remarks(directory: Path) -> tuple[str, ...]:
    remarks = []
    if not (directory / ".git").exists():
        remarks.append("this is not the top of a git repository; a launch needs one, with an annotated tag")
    return tuple(remarks)
