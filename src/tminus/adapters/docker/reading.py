"""What an engine says of one container, as a reading. Must not change anything."""

import http
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tminus.adapters.docker.engine import READ_LIMIT_S, Engine, EngineError
from tminus.ports.supervision import ProgramReading


def reading_of(engine: Engine, listed: Mapping[str, Any], name: str) -> ProgramReading | None:
    """The reading of a container that the engine listed; None where it has gone since.

    Raises:
        EngineError: the engine refuses.
        Unavailable: `engine-unreachable`.
    """
    try:
        found = engine.get(f"/containers/{listed['Id']}/json", limit_s=READ_LIMIT_S)
    except EngineError as error:
        if error.status == http.HTTPStatus.NOT_FOUND:
            return None
        raise
    state = found["State"]
    running = bool(state.get("Running")) and not state.get("Restarting")
    return ProgramReading(
        name,
        int(state.get("Pid") or 0) if running else 0,
        int(found.get("RestartCount") or 0),
        _ms(str(state.get("StartedAt", ""))),
    )


def _ms(text: str) -> int:
    """Milliseconds since the epoch of an instant with nanoseconds; 0 for a container that never ran."""
    try:
        # The standard library of Python 3.11 takes at most six digits behind the point.
        head, _, rest = text.partition(".")
        zone = rest.lstrip("0123456789") or "Z"
        moment = datetime.fromisoformat(f"{head}{'' if head.endswith('Z') else zone}")
    except ValueError:
        return 0
    return max(0, int(moment.timestamp() * 1000))
