"""The probe `log-round-trip`: a line that is written is found where lines are looked for."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from tminus.adapters.clock.deadline import Deadline
from tminus.adapters.clock.pause import pause
from tminus.adapters.http.fetch import look
from tminus.domain.plan.secret import SecretRef
from tminus.domain.plan.times import Millis, format_duration
from tminus.domain.readiness.answer import Answer, failed, passed, unknown
from tminus.domain.watch.answer_text import parse_answer
from tminus.domain.watch.measurement import MeasuredState, Missed
from tminus.ports.probes import Around, ProbeKind, Target
from tminus.probes.asking import MOST_BYTES, check_address, known_address, own_address
from tminus.probes.command import run_in_repository, shown_command, why_not
from tminus.probes.guard import guarded
from tminus.probes.traces import LOOK_MS, in_file, new_mark

MARK = "{mark}"
"""Stands for the mark in what writes a line."""

_OK = 200
_HOW_LONG = Millis(30_000)
_LINES = 5  # that a search may answer with
_BEFORE_MS = 60_000  # a clock of another machine may be behind


@dataclass(frozen=True, slots=True)
class LogRoundTripSettings:
    """How a line is written, and where it must be found. Of each of the two exactly one way is written.

    Attributes:
        write_url: is fetched, so that the service logs it: an address or a path of the service with `{mark}`.
        write_command: writes a line with `{mark}`, such as `logger -t shop {mark}`.
        write_file: a line is added to this file below the repository.
        file: file below the repository, or elsewhere, in whose last MiB it must be found.
        loki: address of Loki, of which `query` is asked.
        elasticsearch: address of Elasticsearch or OpenSearch, whose index `query` is searched.
        query: of Loki the selector of streams, such as `{app="shop"}`; else the index, such as `logs-*`.
        token: a secret that is sent with the search.
        scheme: of that secret in the header `Authorization`.
        headers: headers that are sent with the search, such as `X-Scope-OrgID`.
        within: how long it may take until the line is found.
    """

    write_url: str = ""
    write_command: tuple[str, ...] = ()
    write_file: str = ""
    file: str = ""
    loki: str = ""
    elasticsearch: str = ""
    query: str = ""
    token: SecretRef | None = None
    scheme: str = "Bearer"
    headers: tuple[tuple[str, str], ...] = ()
    within: Millis = _HOW_LONG

    def __post_init__(self) -> None:
        """Refuses what could not be found, or would be found whatever was written.

        Raises:
            ValueError: see its sentence.
        """
        if [bool(self.write_url), bool(self.write_command), bool(self.write_file)].count(True) != 1:
            raise ValueError("write one of write_url, write_command and write_file")
        if [bool(self.file), bool(self.loki), bool(self.elasticsearch)].count(True) != 1:
            raise ValueError("write one of file, loki and elasticsearch")
        if bool(self.query) == bool(self.file):
            raise ValueError("query names streams of loki or an index of elasticsearch")
        writes = (self.write_url, *self.write_command)
        if not self.write_file and not any(MARK in each for each in writes):
            raise ValueError(f"nothing says where the mark stands: write {MARK}")
        for address in (self.write_url, self.loki, self.elasticsearch):
            if address:
                check_address(address)
        if self.write_file and self.write_file == self.file:
            raise ValueError("a line that is written to a file and found in it has gone nowhere")
        if self.within <= 0:
            raise ValueError("within is longer than 0s")


def _source(settings: LogRoundTripSettings, target: Target) -> str:
    writes = settings.write_file or shown_command(settings.write_command)
    writes = f"GET {known_address(settings.write_url, target)}" if settings.write_url else writes
    where = settings.file or f"{settings.loki or settings.elasticsearch} {settings.query}"
    return f"a line by {writes}, looked for in {where}"


def _ask(settings: LogRoundTripSettings, around: Around, limit_ms: int) -> Answer:
    source, deadline, mark = _source(settings, around.target), Deadline(limit_ms), new_mark()
    headers = settings.headers
    if settings.token is not None:
        value = f"{settings.scheme} {around.secret(settings.token)}".strip()
        headers = (*headers, ("Authorization", value))
    began_ms = around.now_ms()
    unwritten = _write(settings, around, mark, deadline)
    if unwritten:
        return unknown(f"no line was written: {unwritten}", source)
    written = Deadline(settings.within)
    found = _found(settings, around, headers, (mark, began_ms), deadline)
    while found is not True and not written.over and pause(LOOK_MS, deadline):
        found = _found(settings, around, headers, (mark, began_ms), deadline)
    if found is True:
        return passed(
            f"the line was found after {written.taken_ms} ms", source, mark, found_ms=written.taken_ms
        )
    if isinstance(found, Missed):
        return unknown(f"the line was written, and cannot be looked for: {found.why}", source)
    if written.over:
        return failed(f"the line was not found within {format_duration(settings.within)}", source)
    return unknown("time was over before the line was found", source)


def _write(settings: LogRoundTripSettings, around: Around, mark: str, deadline: Deadline) -> str:
    """Why no line was written, empty where one was."""
    if settings.write_url:
        url = own_address(settings.write_url.replace(MARK, mark), around.target)
        if not url:
            return "the service has no address yet"
        sent = look(url, (), deadline.left_ms, MOST_BYTES)
        return sent.why if isinstance(sent, Missed) else ""
    if settings.write_command:
        command = tuple(each.replace(MARK, mark) for each in settings.write_command)
        ran = run_in_repository(command, around, deadline.left_ms)
        return why_not(ran, command) or (f"{command[0]} ended with {ran.code}" if ran.code else "")
    try:
        with (around.repository / settings.write_file).open("a", encoding="utf-8") as file:
            file.write(f"{mark} a line by tminus: nothing is wrong\n")
    except OSError as error:
        return f"{settings.write_file}: {error.strerror}"
    return ""


def _found(
    settings: LogRoundTripSettings,
    around: Around,
    headers: tuple[tuple[str, str], ...],
    marked: tuple[str, int],
    deadline: Deadline,
) -> bool | Missed:
    mark, began_ms = marked
    if settings.file:
        return in_file(around.repository / settings.file, mark)
    if settings.loki:
        query = urlencode(
            {
                "query": f'{settings.query} |= "{mark}"',
                "start": str((began_ms - _BEFORE_MS) * 1_000_000),
                "end": str((around.now_ms() + _BEFORE_MS) * 1_000_000),
                "limit": str(_LINES),
            }
        )
        url = f"{settings.loki.rstrip('/')}/loki/api/v1/query_range?{query}"
        body = _json(url, headers, deadline, "GET", None)
        return body if isinstance(body, Missed) else _in_loki(body, mark)
    url = f"{settings.elasticsearch.rstrip('/')}/{quote(settings.query, safe='*,-')}/_search"
    search = {"size": _LINES, "query": {"query_string": {"query": f'"{mark}"', "lenient": True}}}
    asked = (*headers, ("Content-Type", "application/json"))
    body = _json(url, asked, deadline, "POST", json.dumps(search).encode())
    return body if isinstance(body, Missed) else _in_elasticsearch(body, mark)


def _json(
    url: str, headers: tuple[tuple[str, str], ...], deadline: Deadline, method: str, body: bytes | None
) -> Any | Missed:  # noqa: ANN401 - any JSON
    answer = look(url, headers, deadline.left_ms, MOST_BYTES, method, body)
    if isinstance(answer, Missed):
        return answer
    if answer.status != _OK:
        return Missed(MeasuredState.INVALID, f"the search answered {answer.status}")
    try:
        return parse_answer(answer.body)
    except ValueError as error:
        return Missed(MeasuredState.INVALID, str(error))


def _in_loki(body: Any, mark: str) -> bool | Missed:  # noqa: ANN401 - any JSON
    try:
        lines = [line for stream in body["data"]["result"] for _, line, *_ in stream["values"]]
    except (LookupError, TypeError, ValueError):
        return Missed(MeasuredState.INVALID, "the search answered something else than streams of Loki")
    return any(isinstance(line, str) and mark in line for line in lines)


def _in_elasticsearch(body: Any, mark: str) -> bool | Missed:  # noqa: ANN401 - any JSON
    try:
        documents = [hit["_source"] for hit in body["hits"]["hits"]]
    except (LookupError, TypeError):
        return Missed(MeasuredState.INVALID, "the search answered something else than hits of Elasticsearch")
    return any(mark in text for text in _texts(documents))


def _texts(value: Any) -> list[str]:  # noqa: ANN401 - any JSON
    """Every text in a document; a word of ours stands in none that was made for somebody else."""
    found, left = [], [value]
    while left:
        each = left.pop()
        if isinstance(each, str):
            found.append(each)
        elif isinstance(each, dict):
            left += each.values()
        elif isinstance(each, list):
            left += each
    return found


LOG_ROUND_TRIP = ProbeKind(LogRoundTripSettings, guarded(_ask, _source))
"""See `LogRoundTripSettings`. Sources: Loki's `query_range`, Elasticsearch's `_search` and `query_string`."""
