"""The kinds of values that images and containers need. Must not know which key holds which."""

import re
from decimal import Decimal
from typing import Annotated
from urllib.parse import urlsplit

from tminus.plan.parse import count_of
from tminus.plan.scalar import Scalar

_UNITS = {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "kB": 1000, "MB": 1000**2, "GB": 1000**3}
_LEAST_BYTES = 6 * 1024**2  # what Docker itself takes
_MOST_CPUS = 1024
_ENGINES = ("unix", "tcp", "ssh")


def bytes_of(text: str) -> int:
    """A size with its unit, at least 6 MiB."""
    match = re.fullmatch(r"([0-9]{1,9})\s*(KiB|MiB|GiB|kB|MB|GB)", text)
    if match is None:
        raise ValueError(f"{str(text)!r} is not a size with a unit")
    size = int(match[1]) * _UNITS[match[2]]
    if size < _LEAST_BYTES:
        raise ValueError(f"{text!s} is below 6 MiB, the least that an engine takes")
    return size


def show_bytes(size: int) -> str:
    """`256MiB`; `no limit` for 0."""
    if not size:
        return "no limit"
    for unit in ("GiB", "MiB", "KiB"):
        if size % _UNITS[unit] == 0:
            return f"{size // _UNITS[unit]}{unit}"
    return f"{size} bytes"


def cpus_of(text: str) -> int:
    """A number of processors, in thousandths."""
    if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,3})?", text):
        raise ValueError(f"{str(text)!r} is not a number of processors")
    milli = int(Decimal(str(text)) * 1000)
    if not 10 <= milli <= _MOST_CPUS * 1000:  # noqa: PLR2004 - a hundredth of a processor
        raise ValueError(f"{text!s} is not between 0.01 and {_MOST_CPUS}")
    return milli


def show_cpus(milli: int) -> str:
    """`0.5`; `no limit` for 0."""
    return f"{Decimal(milli) / 1000:f}" if milli else "no limit"


def repository_of(text: str) -> str:
    """A registry and a name in it, without a tag."""
    host, slash, name = text.partition("/")
    if not slash or not ("." in host or ":" in host or host == "localhost"):
        raise ValueError(f"{str(text)!r} does not begin with the name of a registry")
    if not re.fullmatch(r"[A-Za-z0-9.-]+(:[0-9]{1,5})?", host):
        raise ValueError(f"{host!r} is no name of a registry")
    if ":" in name or "@" in name:
        raise ValueError(f"{str(text)!r} has a tag, but tminus sets it to that of the release")
    if not re.fullmatch(r"[a-z0-9]+([._/-]+[a-z0-9]+)*", name):
        raise ValueError(f"{name!r} is no name of an image: lower-case letters, digits, and . _ - / inside")
    return str(text)


def engine_of(text: str) -> str:
    """An address of an engine."""
    parts = urlsplit(text)
    if parts.scheme not in _ENGINES or not (parts.path if parts.scheme == "unix" else parts.hostname):
        raise ValueError(f"{str(text)!r} is no address of an engine")
    if parts.password is not None:
        raise ValueError("it holds a password; an engine is reached by key or socket")
    return str(text)


def inner_path_of(text: str) -> str:
    """A path inside the tree."""
    parts = text.split("/")
    if text.startswith("/") or ".." in parts or not text:
        raise ValueError(f"{str(text)!r} leads out of the tag's tree")
    return str(text)


Size = Annotated[
    int,
    Scalar(
        "a size with a unit",
        "256MiB or 1GiB",
        bytes_of,
        show_bytes,
        schema={"type": "string", "pattern": "^[0-9]+ ?(KiB|MiB|GiB|kB|MB|GB)$"},
    ),
]
Cpus = Annotated[
    int,
    Scalar("a number of processors", "0.5", cpus_of, show_cpus, schema={"type": ["number", "string"]}),
]
Port = Annotated[
    int,
    Scalar(
        "a port",
        "8000",
        lambda text: count_of(text, 65_535),
        schema={"type": "integer", "minimum": 1, "maximum": 65_535},
    ),
]
Pids = Annotated[
    int,
    Scalar(
        "a whole number",
        "256",
        lambda text: count_of(text, 4_194_304),
        schema={"type": "integer", "minimum": 1},
    ),
]
Repository = Annotated[
    str,
    Scalar(
        "a registry and a name in it",
        "registry.example.com/payment-app",
        repository_of,
        code="plan-bad-image",
    ),
]
Engine = Annotated[
    str,
    Scalar(
        "an address of an engine",
        "ssh://deploy@web1, tcp://10.0.0.5:2375 or unix:///run/docker.sock",
        engine_of,
        code="plan-bad-engine",
    ),
]
InnerPath = Annotated[
    str, Scalar("a path inside the tag's tree", "deploy/Dockerfile", inner_path_of, code="plan-bad-path")
]
