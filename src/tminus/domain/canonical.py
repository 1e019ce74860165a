"""Canonical JSON and digests: one value, one sequence of bytes. Must not know what the values mean.

Only text, integers, booleans, null, lists and objects with ASCII keys are allowed. Within that set the
standard library's sorted, separator-free output is byte for byte RFC 8785 (JSON Canonicalization
Scheme); floating point is refused, because its textual form is where implementations disagree.
"""

import hashlib
import json
from typing import Union

Json = Union[None, bool, int, str, list["Json"], dict[str, "Json"]]  # noqa: UP007 - a recursive alias needs Union on 3.11

_SAFE_INTEGER = 2**53 - 1  # RFC 8785 inherits the integer range of IEEE 754 doubles


class NotCanonicalError(TypeError):
    """A value has no canonical form: a float, a foreign type, a key that is not ASCII text."""


def canonical_bytes(value: Json) -> bytes:
    """The canonical UTF-8 form of `value`.

    Raises:
        NotCanonicalError: the value holds a float, an integer beyond 2**53 - 1, a key that is not ASCII
            text, text with a lone surrogate, or an object that is not JSON.
    """
    _check(value)
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise NotCanonicalError("a text holds a lone surrogate, which no UTF-8 can carry") from error


def digest_of(value: Json) -> str:
    """`sha256:` and the hexadecimal SHA-256 of the canonical form of `value`."""
    return digest_of_bytes(canonical_bytes(value))


def digest_of_bytes(content: bytes) -> str:
    """`sha256:` and the hexadecimal SHA-256 of `content`."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _check(value: object) -> None:
    if value is None or isinstance(value, bool | str):
        return
    if isinstance(value, int):
        if abs(value) > _SAFE_INTEGER:
            raise NotCanonicalError(f"integer {value} is beyond 2**53 - 1")
        return
    if isinstance(value, list):
        for item in value:
            _check(item)
        return
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str) or not key.isascii():
                raise NotCanonicalError(f"key {key!r} is not ASCII text")
            _check(item)
        return
    raise NotCanonicalError(f"{type(value).__name__} has no canonical form")
