"""Reports that nobody vouches for: whatever stands in them, they are read in time or not at all."""

import json
import os
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.probes.repository import Repository, ask
from tminus.adapters.report.reader import KINDS, MOST_BYTES, read_file
from tminus.adapters.report.reading import read_reports
from tminus.domain.readiness.verdict import Outcome
from tminus.probes.junit import JUNIT, JunitSettings

pytestmark = pytest.mark.req("R17")

LAUGHS = '<!DOCTYPE lolz [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9)
)
BILLION = f"<?xml version='1.0'?>{LAUGHS}]><testsuites>&j;</testsuites>"
OUTSIDE = '<!DOCTYPE t [<!ENTITY x SYSTEM "file:///etc/passwd">]><testsuites>&x;</testsuites>'
SOON_S = 20.0  # on a busy machine; a billion laughs that are told take hours


def test_entities_are_refused_before_they_grow(repository: Repository) -> None:
    for name, text in (("laughs", BILLION), ("outside", OUTSIDE)):
        repository.write(f"{name}.xml", text)
        began = time.monotonic()
        answer = ask(JUNIT, JunitSettings((f"{name}.xml",)), repository.around())
        assert time.monotonic() - began < SOON_S
        assert answer.outcome is Outcome.INCONCLUSIVE
        assert answer.why == f"{name}.xml: it declares an entity, which no report needs"


@pytest.mark.parametrize("kind", KINDS)
def test_a_gigabyte_is_not_read(kind: str, tmp_path: Path) -> None:
    large = tmp_path / "report"
    with large.open("wb") as file:
        file.truncate(1024**3)
    began = time.monotonic()
    [report] = read_reports(kind, [large], SOON_S)
    assert report.why == f"it is larger than {MOST_BYTES} bytes"
    assert time.monotonic() - began < SOON_S


DEEP = b"[" * 5_000_000
NESTED = b"<testsuites>" * 1_000_000


@pytest.mark.parametrize(
    ("kind", "content", "why"),
    [
        ("sarif", DEEP, "its 5000000 bytes are not JSON"),
        ("cyclonedx", b'{"a":' * 1_000_000, "its 5000000 bytes are not JSON"),
        ("junit", NESTED, "its elements are nested more than 64 deep"),
        ("coverage", b"<coverage>" * 100, "its elements are nested more than 64 deep"),
        ("sarif", b"<sarif/>", "it is XML; have the tool write JSON"),
    ],
)
def test_what_is_nested_without_end_is_refused(kind: str, content: bytes, why: str, tmp_path: Path) -> None:
    path = tmp_path / "report"
    path.write_bytes(content)
    [report] = read_reports(kind, [path], SOON_S)
    assert report.why == why


@pytest.mark.slow
def test_what_needs_too_much_memory_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "report"
    path.write_bytes(b"[" + b"{}," * (MOST_BYTES // 3 - 1) + b"{}]")
    [report] = read_reports("sarif", [path], SOON_S)
    assert report.why in (
        "to read it takes more memory than a report may",
        "the reader ended before it had read it, as one that needs too much does",
    )


@pytest.mark.slow
def test_a_parser_that_hangs_is_ended_at_the_limit(tmp_path: Path) -> None:
    began = time.monotonic()
    note = tmp_path / "pid"
    script = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"
    [report] = read_reports("junit", [tmp_path / "x"], 2.0, [sys.executable, "-c", script, str(note)])
    assert report.why == "it was not read within 2000 ms"
    assert time.monotonic() - began < SOON_S
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text(encoding="ascii")), 0)


@pytest.mark.parametrize(
    "script", ["print('[]')", "print('no JSON')", "raise SystemExit(3)", "print('[{}]')"]
)
def test_a_reader_that_dies_or_garbles_is_no_news(script: str, tmp_path: Path) -> None:
    [report] = read_reports("junit", [tmp_path / "x"], SOON_S, [sys.executable, "-c", script])
    assert report.why == "the reader ended before it had read it, as one that needs too much does"


def test_a_pipe_and_a_folder_are_no_reports(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    found = read_reports("junit", [tmp_path / "pipe", tmp_path / "folder", tmp_path / "none"], SOON_S)
    assert [each.why for each in found] == [
        "it is no plain file",
        "Is a directory",
        "No such file or directory",
    ]


WORDS = """
runs results tool driver rules level ruleIndex ruleId properties rule security-severity suppressions
locations bomFormat vulnerabilities ratings score severity analysis state components metadata timestamp
files totals summary metrics http_req_duration http_reqs http_req_failed p(95) values count passes
num_requests response_times p95_us requests failed meta index invocations
"""
KEYS = st.sampled_from(WORDS.split())
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=25,
)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None)
@given(body=ANY_JSON, noise=st.binary(max_size=60))
def test_no_content_makes_a_reader_fail(
    tmp_path_factory: pytest.TempPathFactory, kind: str, body: object, noise: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / f"any-{kind}"
    for content in (
        json.dumps(body).encode(),
        json.dumps({"bomFormat": "CycloneDX", "runs": [body]}).encode(),
    ):
        for cut in (content, content[: len(content) // 2] + noise):
            path.write_bytes(cut)
            found = read_file(str(path), KINDS[kind])
            assert ("why" in found) != ("summary" in found)
            json.dumps(found)


ELEMENTS = st.sampled_from(["testsuites", "testsuite", "testcase", "failure", "skipped", "coverage", "class"])
ATTRIBUTES = st.dictionaries(
    st.sampled_from(["tests", "failures", "timestamp", "name", "hits", "number", "line-rate", "filename"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters="<&\"'"), max_size=12),
    max_size=3,
)


@st.composite
def any_xml(draw: st.DrawFn, depth: int = 0) -> str:
    name, attributes = draw(ELEMENTS), draw(ATTRIBUTES)
    inner = "".join(draw(st.lists(any_xml(depth + 1), max_size=3))) if depth < 3 else ""
    shown = " ".join(f'{key}="{value}"' for key, value in attributes.items())
    return f"<{name} {shown}>{inner}</{name}>"


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["junit", "coverage"])
@settings(max_examples=60, deadline=None)
@given(text=any_xml(), cut=st.integers(0, 400))
def test_no_element_makes_a_reader_fail(
    tmp_path_factory: pytest.TempPathFactory, kind: str, text: str, cut: int
) -> None:
    path = tmp_path_factory.getbasetemp() / f"xml-{kind}"
    for content in (text, text[:cut]):
        path.write_text(content, encoding="utf-8")
        found = read_file(str(path), KINDS[kind])
        assert ("why" in found) != ("summary" in found)
        json.dumps(found)
