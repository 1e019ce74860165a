"""The work `meter`: numbered requests through the router while traffic moves. Must not repeat a request."""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from tminus.adapters.http.connection import Connection, Origin, parse_origin
from tminus.adapters.http.tally import Tally
from tminus.adapters.http.wire import request_bytes
from tminus.domain.canonical import Json
from tminus.domain.codec import to_json
from tminus.domain.plan.route_class import METER_HEADER
from tminus.domain.problem import Problem, ProblemError

RATE_LIMIT_PER_S = 200  # the meter looks for loss; load is somebody else's work
LIMIT_MS = 10_000  # a person has given up by then
_PROGRESS_S = 0.5  # what a killed meter forgets at most
_FINISH_LIMIT_S = 3.0  # of the job's grace of 5 s, for requests that are under way at the end
KEPT, NEW, POST = "kept", "new", "post"


@dataclass(frozen=True, slots=True)
class _Order:
    """Arguments of the work, see `meter`."""

    origin: Origin
    path: str
    post_path: str | None
    post_body: str
    rate_per_s: int
    limit_ms: int
    for_ms: int | None
    headers: tuple[tuple[str, str], ...]

    @property
    def lanes(self) -> tuple[str, ...]:
        """Names of the lanes that send."""
        return (KEPT, NEW) if self.post_path is None else (KEPT, NEW, POST)


def meter(arguments: Json, directory: Path, stop: threading.Event) -> Json:
    """Sends numbered requests until told to stop, and says what became of each.

    Two or three lanes send at the same time and share the rate evenly: `kept` GETs over one connection,
    `new` opens a connection for each GET, `post` POSTs over one connection with an Idempotency-Key. Within
    a lane requests follow each other; those that fall due while one is under way are skipped and counted.
    Every request carries its number in the header `X-Tminus-Meter`.

    Args:
        arguments: `url` (of the router), `path`, `rate_per_s` (1..200), optionally `post_path`, `post_body`,
            `headers` (an object), `limit_ms` (of one request), `for_ms` (then it ends by itself).
        directory: of the job; `progress.json` in it is the reading so far, renewed twice a second.
        stop: ends the meter; requests under way get 3 s, then they count as unfinished.

    Returns:
        `domain.report.loss.MeterReading` as JSON.

    Raises:
        ProblemError: `bad-arguments`.
    """
    order = _order(arguments)
    tally = Tally(order.lanes, _now_ms())
    run = f"{directory.name[:12]}-{_now_ms()}"
    ended = threading.Event()
    crashes: list[Exception] = []

    def send(lane: str, turn: int) -> None:
        try:
            _send_lane(order, lane, turn, run, tally, ended)
        except Exception as error:  # noqa: BLE001 - a lane that ends unseen would measure nothing
            crashes.append(error)

    lanes = [
        threading.Thread(target=send, args=(lane, turn), name=lane, daemon=True)
        for turn, lane in enumerate(order.lanes)
    ]
    for lane in lanes:
        lane.start()
    _note_until(order, tally, directory / "progress.json", stop)
    ended.set()
    finish_at = time.monotonic() + _FINISH_LIMIT_S
    for lane in lanes:
        lane.join(max(0.0, finish_at - time.monotonic()))
    if crashes:
        raise crashes[0]
    return to_json(tally.reading(_now_ms()))


def _note_until(order: _Order, tally: Tally, progress: Path, stop: threading.Event) -> None:
    ends_at = None if order.for_ms is None else time.monotonic() + order.for_ms / 1000
    while not stop.is_set():
        # A full disk must not end the measurement; the result is stored in space set aside.
        with contextlib.suppress(OSError):
            _write(progress, to_json(tally.reading(_now_ms())))
        left_s = _PROGRESS_S if ends_at is None else ends_at - time.monotonic()
        if left_s <= 0:
            return
        stop.wait(min(_PROGRESS_S, left_s))


def _send_lane(order: _Order, lane: str, turn: int, run: str, tally: Tally, ended: threading.Event) -> None:
    period_s = len(order.lanes) / order.rate_per_s
    due_at = time.monotonic() + turn / order.rate_per_s
    request = _writer(order, lane, run)
    method = "POST" if lane == POST else "GET"
    with Connection(order.origin) as connection:
        while not ended.wait(max(0.0, due_at - time.monotonic())):
            number = tally.begin(lane)
            at_ms = _now_ms()
            tally.end(
                lane, number, at_ms, connection.exchange(request(number), method, order.limit_ms / 1000)
            )
            if lane == NEW:
                connection.close()
            due_at += period_s
            missed = int((time.monotonic() - due_at) / period_s)
            if missed > 0:
                tally.skip(missed)
                due_at += missed * period_s


def _writer(order: _Order, lane: str, run: str) -> Callable[[int], bytes]:
    """Writes the lane's request with a number."""
    common = (*order.headers, ("Accept", "*/*"), ("User-Agent", "tminus-meter"))
    authority = order.origin.authority

    def get(number: int) -> bytes:
        close = (("Connection", "close"),) if lane == NEW else ()
        return request_bytes("GET", order.path, authority, (*common, (METER_HEADER, str(number)), *close))

    def post(number: int) -> bytes:
        own = (
            (METER_HEADER, str(number)),
            ("Idempotency-Key", f"{run}-{number}"),
            ("Content-Type", "application/json"),
        )
        return request_bytes(
            "POST", order.post_path or "/", authority, (*common, *own), order.post_body.encode()
        )

    return post if lane == POST else get


def _order(arguments: Json) -> _Order:
    body = cast("Mapping[str, Any]", arguments if isinstance(arguments, dict) else {})
    try:
        order = _Order(
            parse_origin(str(body["url"])),
            str(body["path"]),
            None if body.get("post_path") is None else str(body["post_path"]),
            str(body.get("post_body", "{}")),
            int(body["rate_per_s"]),
            int(body.get("limit_ms", LIMIT_MS)),
            None if body.get("for_ms") is None else int(body["for_ms"]),
            tuple((str(name), str(value)) for name, value in dict(body.get("headers", {})).items()),
        )
        for lane in order.lanes:
            _writer(order, lane, "")(0)
    except KeyError as error:
        raise _bad(f"{error.args[0]} is missing") from error
    except (ValueError, TypeError) as error:
        raise _bad(str(error)) from error
    if not 1 <= order.rate_per_s <= RATE_LIMIT_PER_S:
        raise _bad(f"rate_per_s is {order.rate_per_s}, it must lie in 1..{RATE_LIMIT_PER_S}")
    return order


def _bad(why: str) -> ProblemError:
    return ProblemError(Problem("bad-arguments", "the meter's arguments cannot be used", why=why))


def _write(path: Path, body: Json) -> None:
    """Renamed but not synced: it is for readers after a crash of this process, not of the machine."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(json.dumps(body, separators=(",", ":")), encoding="utf-8")
    temporary.replace(path)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
