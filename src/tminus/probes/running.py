"""Commands that probes run: bounded in time and output, ended with everything they started.

They die with whoever asked, too. Must not know what they are asked for.
"""

import os
import select
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tminus.adapters.clock.deadline import Deadline
from tminus.adapters.postgres.guarded import Ending, Guarded

MOST_BYTES = 1024 * 1024
"""Of what a command prints; what is beyond is dropped."""

SECRET_VARIABLE = "TMINUS_SECRET"  # noqa: S105 - a variable's name
"""In which a command finds the secret of its probe."""

_LOOK_S = 0.05
_CHUNK_BYTES = 64 * 1024
_GRACE = 10  # the last tenth of a limit is for a command to end by itself
_MOST_GRACE_MS = 2_000


@dataclass(frozen=True, slots=True)
class Ran:
    """A command that has ended.

    Attributes:
        ended: as `Ending.ended`; `deadline` where its time was over.
        code: its exit code, negative for a signal.
        output: its standard output, at most `MOST_BYTES`; secrets may stand in it.
        cut: it printed more than that.
        tail: the last lines of its standard error, without secrets.
        took_ms: from its start.
    """

    ended: str
    code: int
    output: bytes
    cut: bool
    tail: str
    took_ms: int


def run_bounded(
    command: Sequence[str],
    directory: Path,
    environment: Mapping[str, str],
    limit_ms: int,
    secrets: Sequence[str] = (),
) -> Ran:
    """Runs a command to its end, or to that of its time: asked to end first, and killed at the limit.

    Args:
        command: argument vector.
        directory: where it runs.
        environment: all of it.
        limit_ms: for everything.
        secrets: texts that must not stand in `tail`.
    """
    deadline = Deadline(limit_ms)
    told_at_ms = limit_ms - min(_MOST_GRACE_MS, limit_ms // _GRACE)
    reader, writer = os.pipe()
    found, cut, told = bytearray(), False, False
    with os.fdopen(reader, "rb", buffering=0) as source, os.fdopen(writer, "wb") as sink:
        guarded = Guarded(
            command,
            directory,
            environment,
            deadline_ms=limit_ms,
            log=Path(os.devnull),
            secrets=secrets,
            stdout_fd=writer,
        )
        with guarded:
            sink.close()
            open_still, ending = True, None
            while ending is None and not deadline.over:
                ready = select.select([source], [], [], _LOOK_S)[0] if open_still else []
                content = os.read(source.fileno(), _CHUNK_BYTES) if ready else b""
                open_still = open_still and bool(content or not ready)
                found += content[: MOST_BYTES - len(found)]
                cut = cut or (len(content) > 0 and len(found) >= MOST_BYTES)
                if not told and deadline.taken_ms >= told_at_ms:
                    guarded.stop()
                    told = True
                ending = guarded.wait(0 if open_still else _LOOK_S)
            if ending is not None and open_still:
                found += _rest(source.fileno(), MOST_BYTES - len(found))
    if ending is None or told:
        ending = Ending("deadline", tail="" if ending is None else ending.tail)
    return Ran(ending.ended, ending.code, bytes(found), cut, ending.tail, deadline.taken_ms)


def _rest(source: int, most: int) -> bytes:
    """What still is in the pipe of a command that has ended."""
    found = b""
    while len(found) < most and select.select([source], [], [], 0)[0]:
        content = os.read(source, min(_CHUNK_BYTES, most - len(found)))
        if not content:
            break
        found += content
    return found
