"""Packages found in the file system of an image: Debian's, Alpine's, Python's and npm's own records.

Files are read from a tar stream, each once, and never written or run. Packages of RPM, Go, Java and Rust, and
files that no package manager knows, are not seen; `Found.unread` says so where a database of RPM was there.
"""

import contextlib
import json
import re
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO
from urllib.parse import quote

MOST_PACKAGES = 20_000
"""More than any image that somebody looks after; beyond this the list says that it is cut."""

LARGEST_BYTES = 32 * 1024 * 1024
"""Of one record: Debian's status file of a full desktop has five."""

_RPM = re.compile(r"(var/lib/rpm|usr/lib/sysimage/rpm)/(Packages|rpmdb\.sqlite|Packages\.db)")
_DIST_INFO = re.compile(r".*\.(dist-info/METADATA|egg-info/PKG-INFO)")
_NPM = re.compile(r"(.*/)?node_modules/(@[^/]+/)?[^/]+/package\.json")


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """One package: its package URL, and the file that names it."""

    purl: str
    name: str
    version: str
    location: str


@dataclass(slots=True)
class Found:
    """What was read.

    Attributes:
        packages: sorted, each once.
        system: name and version of the distribution, empty where the image does not say.
        unread: records that were there and are not understood, or were too large.
        cut: more packages were there than are listed.
    """

    packages: list[Package] = field(default_factory=list)
    system: tuple[str, str] = ("", "")
    unread: list[str] = field(default_factory=list)
    cut: bool = False


def read_packages(stream: IO[bytes]) -> Found:
    """The packages of a file system that comes as a tar stream.

    Raises:
        tarfile.TarError: it is damaged.
    """
    found = Found()
    debian: list[dict[str, str]] = []
    alpine: list[dict[str, str]] = []
    with tarfile.open(fileobj=stream, mode="r|") as tar:
        for member in tar:
            name = member.name.removeprefix("./").lstrip("/")
            if _RPM.fullmatch(name):
                found.unread.append(name)
            if not member.isreg() or not _is_read(name):
                continue
            if member.size > LARGEST_BYTES:
                found.unread.append(name)
                continue
            file = tar.extractfile(member)
            text = "" if file is None else file.read().decode(errors="replace")
            if name in ("etc/os-release", "usr/lib/os-release"):
                found.system = _system(text) or found.system
            elif name.startswith("var/lib/dpkg/"):
                debian += [{**each, "location": name} for each in _stanzas(text, ": ")]
            elif name == "lib/apk/db/installed":
                alpine += [{**each, "location": name} for each in _stanzas(text, ":")]
            else:
                found.packages += _python(name, text) if _DIST_INFO.fullmatch(name) else _npm(name, text)
    found.packages += [*_debian(debian, found.system), *_alpine(alpine, found.system)]
    unique = {each.purl: each for each in sorted(found.packages, reverse=True)}
    found.cut = len(unique) > MOST_PACKAGES
    found.packages = sorted(unique.values())[:MOST_PACKAGES]
    return found


def _is_read(name: str) -> bool:
    if name in ("etc/os-release", "usr/lib/os-release", "var/lib/dpkg/status", "lib/apk/db/installed"):
        return True
    if name.startswith("var/lib/dpkg/status.d/"):
        return not name.endswith(".md5sums")
    return bool(_DIST_INFO.fullmatch(name) or _NPM.fullmatch(name))


def _system(text: str) -> tuple[str, str] | None:
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    name = values.get("ID", "").strip("\"'")
    return (name, values.get("VERSION_ID", "").strip("\"'")) if name else None


def _stanzas(text: str, separator: str) -> Iterator[dict[str, str]]:
    """Records divided by empty lines, each with one field on a line; lines that go on are passed over."""
    for block in re.split(r"\n\s*\n", text):
        fields: dict[str, str] = {}
        for line in block.splitlines():
            key, found, value = line.partition(separator)
            if found and not line.startswith((" ", "\t")):
                fields.setdefault(key, value.strip())
        if fields:
            yield fields


def _debian(records: Iterable[dict[str, str]], system: tuple[str, str]) -> Iterator[Package]:
    vendor, release = system[0] or "debian", system[1]
    for record in records:
        name, version = record.get("Package", ""), record.get("Version", "")
        # A package that was removed keeps a record of its configuration.
        if not name or not version or not record.get("Status", "installed").endswith("installed"):
            continue
        distro = f"&distro={vendor}-{release}" if release else ""
        arch = record.get("Architecture", "all")
        purl = f"pkg:deb/{vendor}/{quote(name)}@{quote(version, safe='')}?arch={arch}{distro}"
        yield Package(purl, name, version, record["location"])


def _alpine(records: Iterable[dict[str, str]], system: tuple[str, str]) -> Iterator[Package]:
    for record in records:
        name, version = record.get("P", ""), record.get("V", "")
        if name and version:
            distro = f"&distro=alpine-{system[1]}" if system[1] else ""
            purl = (
                f"pkg:apk/alpine/{quote(name)}@{quote(version, safe='')}?arch={record.get('A', '')}{distro}"
            )
            yield Package(purl, name, version, record["location"])


def _python(location: str, text: str) -> Iterator[Package]:
    fields = next(_stanzas(text.partition("\n\n")[0], ": "), {})
    name, version = fields.get("Name", ""), fields.get("Version", "")
    if name and version:
        shown = re.sub(r"[-_.]+", "-", name).lower()
        yield Package(f"pkg:pypi/{quote(shown)}@{quote(version, safe='')}", name, version, location)


def _npm(location: str, text: str) -> Iterator[Package]:
    with contextlib.suppress(ValueError):
        body = json.loads(text)
        if isinstance(body, dict) and body.get("name") and body.get("version"):
            name, version = str(body["name"]), str(body["version"])
            purl = f"pkg:npm/{quote(name, safe='/')}@{quote(version, safe='')}"
            yield Package(purl, name, version, location)
