"""The probe `document`: it is there, was renewed for this release, and its links lead somewhere."""

import re
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import StrEnum
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from tminus.adapters.clock.deadline import Deadline
from tminus.adapters.git.command import run_git
from tminus.adapters.http.fetch import Looked, look
from tminus.domain.plan.times import format_utc
from tminus.domain.readiness.answer import Answer, failed, passed, unknown
from tminus.domain.watch.measurement import MeasuredState, Missed
from tminus.ports.probes import Around, ProbeKind, Target
from tminus.probes.amount import counted, listed
from tminus.probes.asking import check_address, known_address, own_address
from tminus.probes.guard import guarded
from tminus.probes.reports import commit_name

MOST_BYTES = 4 * 1024 * 1024
"""Of a document."""

MOST_LINKS = 100
"""That are tried, of one document."""

_OK = 200
_GONE = (404, 410)
_NO_HEAD = (405, 501)
_ANSWERED = range(200, 400)
_LINKED = (".md", ".markdown", ".html", ".htm")
_INLINE = re.compile(
    r"\]\([ \t]*<?([^\s()<>]{1,2000}(?:\([^\s()]{0,200}\))?)>?(?:[ \t]+[\"'][^\n]{0,300}?)?\)"
)
_REFERENCE = re.compile(r"^\[[^\]\n]{1,200}\]:[ \t]*<?([^\s<>]{1,2000})>?", re.MULTILINE)
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_ATTRIBUTES = frozenset({"href", "src"})


class DocumentLinks(StrEnum):
    """Which links are tried: files and the own host's, every host's, or none."""

    OWN = "own"
    ALL = "all"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class DocumentSettings:
    """Which document, and what must hold of it.

    Attributes:
        path: of a file below the repository; empty where `url` is looked at.
        url: of a page: an address, or a path of the service.
        renewed: it must be younger than the last release's tag.
        tags: pattern of the tags that are releases, such as `v*`.
        contains: texts that must stand in it.
        links: which of its links are tried: `own` for files of the repository and the own host, `all`, or
            `none`.
    """

    path: str = ""
    url: str = ""
    renewed: bool = True
    tags: str = "*"
    contains: tuple[str, ...] = ()
    links: DocumentLinks = DocumentLinks.OWN

    def __post_init__(self) -> None:
        """Refuses what names no document.

        Raises:
            ValueError: see its sentence.
        """
        if bool(self.path) == bool(self.url):
            raise ValueError("write either path or url")
        if self.url:
            check_address(self.url)
        if not self.tags or self.tags.startswith("-"):
            raise ValueError(f"{self.tags!r} is no pattern of tags")


@dataclass(frozen=True, slots=True)
class _Document:
    """What was found: its text, when it was changed last (None where nobody says), where it is."""

    content: bytes
    changed_ms: int | None
    place: str
    kind: str


def _source(settings: DocumentSettings, target: Target) -> str:
    return f"GET {known_address(settings.url, target)}" if settings.url else settings.path


def _ask(settings: DocumentSettings, around: Around, limit_ms: int) -> Answer:
    source, deadline = _source(settings, around.target), Deadline(limit_ms)
    found = _page(settings, around, deadline) if settings.url else _file(settings, around, deadline)
    if isinstance(found, Answer):
        return found
    if not found.content.strip():
        return failed("it is empty", source)
    facts = {"bytes": len(found.content)}
    wrong = [
        f"it does not contain {text!r}" for text in settings.contains if text.encode() not in found.content
    ]
    if settings.renewed:
        tag, tagged_ms = _last_release(settings, around, deadline)
        if tag and found.changed_ms is None:
            return unknown("nobody says when it was changed: it has no Last-Modified", source, "", **facts)
        if tag and found.changed_ms is not None and found.changed_ms <= tagged_ms:
            wrong.append(f"it is of {format_utc(found.changed_ms)}, before {tag} of {format_utc(tagged_ms)}")
    links = [] if settings.links is DocumentLinks.NONE else _links(found)
    dead, unsure = _tried(settings, around, found, links, deadline)
    facts |= {"links": len(links), "dead": len(dead)}
    if dead:
        wrong.append(f"{counted(len(dead), 'link leads', 'links lead')} nowhere: {listed(dead, 3)}")
    if wrong:
        return failed("; ".join(wrong), source, "\n".join(dead), **facts)
    if unsure:
        why = f"{counted(len(unsure), 'link', 'links')} could not be tried: {listed(unsure, 3)}"
        return unknown(why, source, "\n".join(unsure), **facts)
    return passed(f"it is there, with {counted(len(links), 'link')} that lead somewhere", source, "", **facts)


def _page(settings: DocumentSettings, around: Around, deadline: Deadline) -> _Document | Answer:
    source, url = _source(settings, around.target), own_address(settings.url, around.target)
    if not url:
        return unknown("the service has no address yet", source)
    found = look(url, (), deadline.left_ms, MOST_BYTES)
    if isinstance(found, Missed):
        return unknown(found.why, source)
    if found.status in _GONE:
        return failed(f"it is not there: {found.status}", source)
    if found.status != _OK:
        return unknown(f"it answered {found.status} instead of {_OK}", source)
    return _Document(found.body, _last_modified(found), url, found.headers.get("content-type", ""))


def _last_modified(found: Looked) -> int | None:
    try:
        at = parsedate_to_datetime(found.headers.get("last-modified", ""))
        return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _file(settings: DocumentSettings, around: Around, deadline: Deadline) -> _Document | Answer:
    path, source = around.repository / settings.path, _source(settings, around.target)
    if not path.exists():
        return failed("it is not there", source)
    if not path.is_file():
        return failed("it is no file", source)
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        changed_ms = path.stat().st_mtime_ns // 1_000_000
    except OSError as error:
        return unknown(f"it cannot be read: {error.strerror}", source)
    if len(content) > MOST_BYTES:
        return unknown(f"it is larger than {MOST_BYTES} bytes", source)
    if settings.renewed:
        said = _git(
            around, deadline, "log", "--max-count=1", "--format=%ct", "--", f":(literal){settings.path}"
        )
        # Of a file that is generated and in no commit, its own time counts.
        changed_ms = int(said) * 1000 if said.isdigit() else changed_ms
    return _Document(content, changed_ms, str(path), path.suffix.lower())


def _last_release(settings: DocumentSettings, around: Around, deadline: Deadline) -> tuple[str, int]:
    """The newest tag of an earlier release and its time; an empty name where there is none.

    Raises:
        Unavailable: `git-unavailable`.
    """
    commit = commit_name(around.target) or "HEAD"
    shown = "--format=%(refname:strip=2) %(creatordate:unix)"
    said = _git(
        around, deadline, "tag", "--merged", commit, "--sort=-creatordate", shown, "--list", settings.tags
    )
    for line in said.splitlines():
        name, _, at = line.rpartition(" ")
        if name != around.target.tag and at.isdigit():
            return name, int(at) * 1000
    return "", 0


def _git(around: Around, deadline: Deadline, *arguments: str) -> str:
    limit_s = deadline.left_ms / 1000
    return run_git(around.repository, around.environment, *arguments, limit_s=limit_s).strip()


class _Anchors(HTMLParser):
    """Collects where the elements of a page lead."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del tag
        self.found += [value for name, value in attrs if name in _ATTRIBUTES and value]


def _links(found: _Document) -> list[str]:
    """Where the document leads, each once, without what leads into itself."""
    text = found.content.decode("utf-8", errors="replace")
    if "html" in found.kind or found.kind == ".htm":
        parser = _Anchors()
        parser.feed(text)
        links = parser.found
    elif found.kind in _LINKED or "markdown" in found.kind:
        plain = _FENCE.sub("", text)
        links = [*_INLINE.findall(plain), *_REFERENCE.findall(plain)]
    else:
        links = []
    return list(dict.fromkeys(link for each in links if (link := urldefrag(each.strip()).url)))


def _tried(
    settings: DocumentSettings, around: Around, found: _Document, links: list[str], deadline: Deadline
) -> tuple[list[str], list[str]]:
    """Links that lead nowhere, and those of which that cannot be told."""
    dead: list[str] = []
    unsure = [f"{len(links) - MOST_LINKS} beyond the first {MOST_LINKS}"] if len(links) > MOST_LINKS else []
    hosts = {urlsplit(each).hostname for each in (settings.url, around.target.url)} - {None}
    for link in links[:MOST_LINKS]:
        if deadline.over:
            unsure.append(f"{link} (time was over)")
            continue
        lead = _leads(settings, around, found, link, hosts, deadline)
        if lead is False:
            dead.append(link)
        elif isinstance(lead, Missed):
            unsure.append(f"{link} ({lead.why})")
    return dead, unsure


def _leads(
    settings: DocumentSettings,
    around: Around,
    found: _Document,
    link: str,
    hosts: set[str | None],
    deadline: Deadline,
) -> bool | Missed:
    """Whether a link leads somewhere; True also where it is not tried."""
    try:
        address = urljoin(found.place, link) if settings.url else link
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        return False
    if parts.scheme in ("http", "https"):
        if settings.links is DocumentLinks.OWN and host not in hosts:
            return True
        return _answers(address, deadline)
    if parts.scheme or parts.netloc or settings.url:
        return True  # mail, telephone and the like
    return _is_there(around.repository, Path(found.place).parent, unquote(parts.path))


def _is_there(repository: Path, folder: Path, path: str) -> bool:
    start = repository if path.startswith("/") else folder
    try:
        return (start / path.lstrip("/")).exists()
    except (OSError, ValueError):
        return False


def _answers(address: str, deadline: Deadline) -> bool | Missed:
    answer = look(address, (), deadline.left_ms, MOST_BYTES, "HEAD")
    if isinstance(answer, Looked) and answer.status in _NO_HEAD:
        answer = look(address, (), deadline.left_ms, MOST_BYTES)
    if isinstance(answer, Missed):
        return answer
    if answer.status in _GONE:
        return False
    return True if answer.status in _ANSWERED else Missed(MeasuredState.INVALID, str(answer.status))


DOCUMENT = ProbeKind(DocumentSettings, guarded(_ask, _source))
"""See `DocumentSettings`."""
