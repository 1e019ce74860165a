"""The work `archive`: receives the server's log for as long as it is wanted, and measures how far it is."""

import json
import shutil
import threading
import time
from collections import deque
from contextlib import closing
from pathlib import Path

import psycopg

from tminus.adapters.postgres.arguments import database_url, object_of, problems
from tminus.adapters.postgres.dump import disk_faults
from tminus.adapters.postgres.guarded import Guarded
from tminus.adapters.postgres.mark import write_on
from tminus.adapters.postgres.programs import find_program
from tminus.adapters.postgres.receiver import hold_log, let_go, receive
from tminus.adapters.postgres.session import Connection, connect, faults, limited, parse_address
from tminus.adapters.postgres.standing import Standing, check_standing, read_standing
from tminus.adapters.postgres.wal import filled_to, segments
from tminus.domain.canonical import Json
from tminus.ports.fault import Unavailable

WAL = "wal"
"""Folder below the backups: one folder for each unbroken stretch of the log, named by when it began."""

_LOOK_S = 0.2
_ASK_LIMIT_MS = 5_000
_LEAST_SEGMENTS = 2
_MOST_BEATS = 1_000  # remembered while the log does not come; the oldest says how much is missing
_TRIES = 3  # failures in a row, with a server that answers, after which the log has a gap
_PAUSES_S = (1.0, 2.0, 5.0, 10.0)


def archive(arguments: Json, directory: Path, stop: threading.Event) -> Json:
    """Receives the log until told to stop.

    Args:
        arguments: `directory` (of the backups), `beat_ms` (how often it is measured), `secrets` (with
            DATABASE_URL).
        directory: of the job; `progress.json` in it says how far the log is held.
        stop: ends it.

    Returns:
        What `progress.json` said last: `covered_ms` (everything committed until then is held; null before
        the first measurement), `line` (folder), `why` (what is wrong, or empty).

    Raises:
        ProblemError: what `check_standing` raises, `pg-tools-missing`, `pg-tools-older`, `disk-full`,
            `database-url-missing`, `bad-arguments`.
    """
    body = object_of(arguments)
    with problems("the log is not archived"):
        lines = Path(body["directory"]) / WAL
        with disk_faults(lines):
            lines.mkdir(mode=0o700, parents=True, exist_ok=True)
            archiving = _Archiving(lines, directory.resolve(), int(body["beat_ms"]) / 1000)
            return archiving.run(stop)


def newest_line(lines: Path) -> Path | None:
    """The folder of the stretch that is received now, or was last; None where there is none."""
    found = sorted(path for path in lines.glob("[0-9]*") if path.is_dir())
    return found[-1] if found else None


class _Archiving:
    """The state of one job."""

    def __init__(self, lines: Path, directory: Path, beat_s: float) -> None:
        self._lines = lines
        self._directory = directory
        self._beat_s = beat_s
        self._address = parse_address(database_url())
        self._line = newest_line(lines)
        self._covered_ms: int | None = None
        self._why = ""
        self._beats: deque[tuple[int, int]] = deque(maxlen=_MOST_BEATS)
        self._failures = 0
        self._slot = ""
        self._let_go = 0

    def run(self, stop: threading.Event) -> Json:
        while not stop.is_set():
            try:
                self._receive(stop)
            except Unavailable as fault:
                self._note(f"{fault.why} [{fault.code}]")
            stop.wait(_PAUSES_S[min(self._failures, len(_PAUSES_S) - 1)])
        return self._body()

    def _receive(self, stop: threading.Event) -> None:
        """One run of the receiver, and measurements for as long as it lasts."""
        with closing(connect(self._address)) as connection:
            with limited(connection, _ASK_LIMIT_MS), faults(self._address):
                standing = read_standing(connection)
            check_standing(standing)
            if shutil.disk_usage(self._lines).free < _LEAST_SEGMENTS * standing.segment_bytes:
                # Before the receiver fails for it: a full disk is no gap yet, the server may keep the log.
                raise Unavailable("disk-full", f"no room for the log in {self._lines}")
            if self._line is None or self._failures >= _TRIES:
                self._line = self._new_line()
            program = find_program("pg_receivewal", standing.major)
            log = self._directory / "pg_receivewal.log"
            before = self._held(standing)
            with limited(connection, _ASK_LIMIT_MS), faults(self._address):
                self._slot, self._let_go = hold_log(connection)
            with receive(program, self._line, self._address, standing.version, log) as receiver:
                self._measure(receiver, connection, standing, before, stop)

    def _measure(
        self,
        receiver: Guarded,
        connection: Connection,
        standing: Standing,
        before: int,
        stop: threading.Event,
    ) -> None:
        beat_at = 0.0
        while not stop.is_set():
            ending = receiver.wait(_LOOK_S)
            if ending is not None:
                self._failures += 1
                self._note(f"pg_receivewal ended with {ending.code}: {self._address.scrubbed(ending.tail)}")
                return
            held = self._held(standing)
            if held > before:
                self._failures = 0
            if time.monotonic() >= beat_at:
                beat_at = time.monotonic() + self._beat_s
                self._beat(connection, held // standing.segment_bytes * standing.segment_bytes)
            while self._beats and self._beats[0][1] < held:
                self._covered_ms = self._beats.popleft()[0]
                self._why = ""
            self._note(self._why)

    def _beat(self, connection: Connection, needless: int) -> None:
        """Remembers a moment and the position that must be held to hold everything before it.

        The server may remove its log before `needless`, which begins the segment that is received now.
        """
        at_ms = time.time_ns() // 1_000_000
        try:
            with limited(connection, _ASK_LIMIT_MS):
                position = write_on(connection)
                if needless > self._let_go:
                    let_go(connection, self._slot, needless)
                    self._let_go = needless
        except psycopg.Error as error:
            raise Unavailable(
                "database-unreachable", f"the log cannot be measured: {error.sqlstate}"
            ) from None
        self._beats.append((at_ms, position))

    def _held(self, standing: Standing) -> int:
        assert self._line is not None
        return filled_to(segments(self._line, standing.segment_bytes), standing.segment_bytes)

    def _new_line(self) -> Path:
        now_ns = time.time_ns()
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now_ns // 1_000_000_000))
        line = self._lines / f"{stamp}.{now_ns // 1_000_000 % 1000:03d}Z"
        line.mkdir(mode=0o700)
        self._failures = 0
        self._beats.clear()
        return line

    def _note(self, why: str) -> None:
        self._why = why
        path = self._directory / "progress.json"
        temporary = path.with_name(".progress.json.tmp")
        temporary.write_text(json.dumps(self._body()), encoding="utf-8")
        temporary.replace(path)

    def _body(self) -> dict[str, Json]:
        return {
            "covered_ms": self._covered_ms,
            "line": "" if self._line is None else self._line.name,
            "why": self._why,
        }
