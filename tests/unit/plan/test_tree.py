"""Files are read within bounds, whatever stands in them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.plan.plans import LEAST
from tminus.domain.problem import Problem, ProblemError
from tminus.plan.load import load_plan, load_plan_text
from tminus.plan.tree import MAX_BYTES, Mark, parse_tree


def refusal(text: str) -> str:
    with pytest.raises(ProblemError) as raised:
        load_plan_text(text)
    return str(raised.value)


def test_positions_count_from_one_and_name_keys_and_values() -> None:
    source = parse_tree("a:\n  - bc: d\n", "f")
    assert source.mark(("a", 0, "bc"), key=True) == Mark(2, 5)
    assert source.mark(("a", 0, "bc")) == Mark(2, 9)
    assert source.mark(("a", 0, "missing")) == Mark(2, 5)


def test_an_alias_stands_for_its_value() -> None:
    plan = load_plan_text(f"{LEAST}drain: &long 1m\nhold_expiry: *long\n").plan
    assert (plan.drain_deadline_ms, plan.hold_expiry_ms) == (60_000, 60_000)


def test_a_file_with_a_byte_order_mark_and_dos_line_ends_is_read(tmp_path: Path) -> None:
    file = tmp_path / "launch.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + LEAST.replace("\n", "\r\n").encode())
    assert load_plan(file).plan.service == "hello"


def test_the_folder_of_the_file_is_remembered(tmp_path: Path) -> None:
    (tmp_path / "launch.yaml").write_text(LEAST)
    assert load_plan(tmp_path / "launch.yaml").directory == tmp_path


def test_aliases_of_aliases_do_not_grow_without_bound() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert refusal("\n".join(lines)) == (
        "error[plan-too-large]: the plan has more than 20000 values once aliases (`*name`) are followed\n"
        "  where: launch.yaml:1:34\n"
        "    fix: write fewer aliases of aliases"
    )


def test_a_chain_of_aliases_does_not_nest_without_bound() -> None:
    lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 5_000))]
    assert "more than 32 levels once aliases" in refusal("\n".join(lines))


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_nesting_is_bounded(opening: str) -> None:
    assert "lists and mappings are nested more than 32 deep" in refusal(opening * 5_000)


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    file = tmp_path / "launch.yaml"
    with pytest.raises(ProblemError) as raised:
        load_plan(file)
    assert str(raised.value) == (
        f"error[plan-not-found]: {file} does not exist\n"
        f"  where: {file}\n"
        "    fix: name the file, or run `tminus init` to write one"
    )


def test_a_folder_is_no_plan(tmp_path: Path) -> None:
    with pytest.raises(ProblemError) as raised:
        load_plan(tmp_path)
    assert raised.value.problems[0].what == f"{tmp_path} is a folder, not a file"


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "launch.yaml"
    file.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(ProblemError) as raised:
        load_plan(file)
    assert str(raised.value) == (
        f"error[plan-too-large]: {file} is larger than 256 KiB\n"
        f"  where: {file}\n"
        "    fix: check that this is a plan"
    )


def test_a_file_that_is_not_utf_8_is_refused_at_its_first_wrong_byte(tmp_path: Path) -> None:
    file = tmp_path / "launch.yaml"
    file.write_bytes(b"service: hello\nversion: 1.1.0 # caf\xe9\n")
    with pytest.raises(ProblemError) as raised:
        load_plan(file)
    assert str(raised.value) == (
        f"error[plan-not-yaml]: the file is not UTF-8 text\n  where: {file}:2:21\n    fix: save it as UTF-8"
    )


WORDS = "service version run command shift steps routes critical_paths request class triggers p95 lease meter"
KEYS = st.sampled_from([*WORDS.split(), "window", "from", "to", "t0", "env", "secrets", "json", "x"])
SCALARS = ["", "1", "10 %", "now", "T", "off", "at-once", "GET /", "{port}", "'", "&a x", "*a", "!t"]
VALUES = st.recursive(
    st.sampled_from(SCALARS) | st.text(max_size=8),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.lists(st.tuples(KEYS, inner), max_size=3).map(
            lambda items: f"{{{', '.join(f'{key}: {value}' for key, value in items)}}}"
        ),
    ),
    max_leaves=8,
)


def problems_of(text: str) -> tuple[Problem, ...]:
    """What is said about a plan; nothing when it loads."""
    try:
        load_plan_text(text)
    except ProblemError as error:
        return error.problems
    return ()


@given(st.lists(st.tuples(KEYS, VALUES), max_size=6))
def test_whatever_is_written_is_read_or_refused_with_positions(entries: list[tuple[str, str]]) -> None:
    problems = problems_of("\n".join(f"{key}: {value}" for key, value in entries))
    assert [problem for problem in problems if not problem.where.startswith("launch.yaml:")] == []


@given(st.text())
def test_any_text_is_refused_with_positions(text: str) -> None:
    assert [each for each in problems_of(text) if not each.where.startswith("launch.yaml:")] == []
