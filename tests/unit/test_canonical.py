import hashlib
import json
from types import MappingProxyType
from typing import cast

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from tminus.domain.canonical import Json, NotCanonicalError, canonical_bytes, digest_of
from tminus.domain.launch.chain import event_hash

INTEGERS = st.integers(min_value=-(2**53) + 1, max_value=2**53 - 1)
TEXTS = st.text(st.characters(codec="utf-8"))
KEYS = st.text(st.characters(max_codepoint=127))
VALUES = st.recursive(
    st.none() | st.booleans() | INTEGERS | TEXTS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)
NUMBERS = st.integers(min_value=0, max_value=2**53 - 1)


@settings(deadline=None)  # a busy machine is no failure
@given(VALUES)
def test_the_bytes_are_those_of_rfc_8785(value: Json) -> None:
    assert canonical_bytes(value) == rfc8785.dumps(value)


@settings(deadline=None)  # a busy machine is no failure
@given(VALUES)
def test_the_bytes_parse_to_the_same_value_and_are_stable(value: Json) -> None:
    parsed = json.loads(canonical_bytes(value))
    assert parsed == value
    assert canonical_bytes(parsed) == canonical_bytes(value)


@settings(deadline=None)  # a busy machine is no failure
@given(TEXTS, NUMBERS, TEXTS, NUMBERS, INTEGERS, NUMBERS, VALUES, TEXTS)
def test_the_hash_of_an_event_is_over_its_canonical_form(
    launch: str, seq: int, kind: str, version: int, at_ms: int, epoch: int, body: Json, salt: str
) -> None:
    prev = digest_of(salt)
    whole: Json = {
        "launch": launch,
        "seq": seq,
        "kind": kind,
        "version": version,
        "at_ms": at_ms,
        "epoch": epoch,
        "body": body,
        "prev": prev,
    }
    expected = "sha256:" + hashlib.sha256(rfc8785.dumps(whole)).hexdigest()
    assert event_hash(launch, seq, kind, version, at_ms, epoch, canonical_bytes(body), prev) == expected


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (0.5, "float has no canonical form"),
        ({"a": [1.0]}, "float has no canonical form"),
        (float("nan"), "float has no canonical form"),
        (2**53, "integer 9007199254740992 is beyond 2**53 - 1"),
        (-(2**53), "integer -9007199254740992 is beyond 2**53 - 1"),
        ({"ü": 1}, "key 'ü' is not ASCII text"),
        ({1: 1}, "key 1 is not ASCII text"),
        ({None: 1}, "key None is not ASCII text"),
        ((1, 2), "tuple has no canonical form"),
        (b"bytes", "bytes has no canonical form"),
        ({1, 2}, "set has no canonical form"),
        (MappingProxyType({"a": 1}), "mappingproxy has no canonical form"),
        ("\ud800", "a text holds a lone surrogate, which no UTF-8 can carry"),
        ({"a": ["\udcff"]}, "a text holds a lone surrogate, which no UTF-8 can carry"),
    ],
)
def test_what_has_no_canonical_form_is_refused(value: object, message: str) -> None:
    with pytest.raises(NotCanonicalError) as refusal:
        canonical_bytes(cast("Json", value))
    assert str(refusal.value) == message


def test_a_digest_is_written_down() -> None:
    assert digest_of({}) == "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
