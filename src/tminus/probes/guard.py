"""Holds every probe to its limit and its silence: time, faults, secrets. Must not know any one probe."""

import base64
import contextlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from tminus.domain.plan.secret import SecretRef
from tminus.domain.readiness.answer import EXCERPT_LIMIT, Answer, unknown
from tminus.ports.fault import Unavailable, Unknown
from tminus.ports.probes import Around, Probe, Target

MASK = "[secret]"
GRACE_MS = 250
"""How much later than its limit a probe may say by itself what was late: it knows more of it."""

_SHORTEST = 4  # characters; what is shorter is no secret, and would tear holes into every sentence


def guarded(ask: Probe, source: Callable[[Any, Target], str]) -> Probe:
    """The probe, in a thread of its own that is left behind where it does not come back in time.

    Name resolution and some libraries know no limit; whatever is left behind ends by their own, and its
    answer is dropped. The values of secrets that the probe has asked for are masked in what it answers.

    Args:
        ask: the probe; `Unavailable` and `Unknown` from it become inconclusive answers.
        source: what it asks, for answers that it does not make itself.
    """

    def within(settings: Any, around: Around, limit_ms: int) -> Answer:  # noqa: ANN401 - each has its own class
        asked: SimpleQueue[Answer | BaseException] = SimpleQueue()
        told: list[str] = []

        def secret(ref: SecretRef) -> str:
            value = around.secret(ref)
            told.extend(forms(value))
            return value

        def run() -> None:
            try:
                asked.put(ask(settings, replace(around, secret=secret), limit_ms))
            except BaseException as error:  # noqa: BLE001 - handed to the one who asks
                asked.put(error)

        Thread(target=run, name="probe", daemon=True).start()
        try:
            found = asked.get(timeout=(limit_ms + GRACE_MS) / 1000)
        except Empty:
            found = unknown(f"no answer within {limit_ms} ms", source(settings, around.target))
        if isinstance(found, Unavailable | Unknown):
            found = unknown(found.why, source(settings, around.target))
        if isinstance(found, BaseException):
            raise found
        return masked(found, told)

    return within


def masked(answer: Answer, secrets: Iterable[str]) -> Answer:
    """The answer without any of these texts, also where an excerpt ends in the midst of one."""
    ordered = sorted({each for each in secrets if len(each) >= _SHORTEST}, key=len, reverse=True)
    return replace(
        answer,
        why=_clean(answer.why, ordered),
        source=_clean(answer.source, ordered),
        excerpt=_clean(answer.excerpt, ordered)[:EXCERPT_LIMIT],
    )


def forms(value: str) -> Iterator[str]:
    """How a secret may appear in what others say: itself, its parts, and each as it is written in transit."""
    for part in {value, *_parts(value)}:
        yield part
        yield quote(part, safe="")
        yield base64.b64encode(part.encode()).decode().rstrip("=")
        yield json.dumps(part)[1:-1]


def _parts(value: str) -> Iterator[str]:
    """The lines of a secret, the password in a connection string, and what follows the first colon."""
    yield from value.splitlines()
    with contextlib.suppress(ValueError):
        password = urlsplit(value.strip()).password or ""
        yield from (password, unquote(password))
    yield value.partition(":")[2].strip("/")


def _clean(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, MASK)
    for secret in secrets:
        for length in range(min(len(secret) - 1, len(text)), _SHORTEST - 1, -1):
            if text.endswith(secret[:length]):
                text = text[:-length] + MASK
                break
    return text
