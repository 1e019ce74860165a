"""What every source of metrics that is asked over HTTP does alike. Must not know any one format."""

from typing import Any

from tminus.domain.plan.metric import Headers
from tminus.domain.watch.answer_text import parse_answer
from tminus.domain.watch.measurement import MeasuredState, Missed
from tminus.ports.metrics import Fetched, Surroundings

_OK = 200
_REDIRECTS = range(300, 400)
_SERVER_ERRORS = range(500, 600)
_REFUSED = (401, 403)


def sent_headers(headers: Headers, around: Surroundings) -> tuple[tuple[str, str], ...]:
    """Headers with the values of secrets.

    Raises:
        Refused: a secret is missing.
    """
    secret = tuple((name, around.secret(ref)) for name, ref in headers.secret)
    token = () if headers.token is None else (("Authorization", f"Bearer {around.secret(headers.token)}"),)
    return (*headers.plain, *secret, *token)


def wrong_status(found: Fetched) -> Missed | None:
    """Why an answer with this status holds no numbers; None where it may."""
    if found.status == _OK:
        return None
    if found.status in _REDIRECTS:
        return Missed(MeasuredState.INVALID, f"it redirects ({found.status}), and no redirect is followed")
    if found.status in _REFUSED:
        return Missed(MeasuredState.INVALID, f"it lets nobody in with these headers ({found.status})")
    state = MeasuredState.UNREACHABLE if found.status in _SERVER_ERRORS else MeasuredState.INVALID
    return Missed(state, f"it answered {found.status}")


def json_of(found: Fetched) -> Any:  # noqa: ANN401 - any JSON
    """The JSON in an answer, every number a Decimal.

    Raises:
        ValueError: it is none, or says that it is something else.
    """
    kind = found.content_type.partition(";")[0].strip().lower()
    if kind and not kind.endswith(("json", "text/plain", "octet-stream")):
        raise ValueError(f"it answered {kind[:40]} instead of JSON")
    return parse_answer(found.body)
