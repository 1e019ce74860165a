"""The live view of a launch at some moments, in full text, on a small terminal and a large one."""

import pytest

from tests.golden.log.worlds import MOMENTS, SIZES, TEXTS, view_text


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize(("columns", "rows"), SIZES)
def test_a_launch_looks_like_this(moment: str, columns: int, rows: int) -> None:
    expected = (TEXTS / f"view-{moment}-{columns}x{rows}.txt").read_text(encoding="utf-8")
    assert view_text(moment, columns, rows) == expected


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (120, 40), (60, 14), (40, 8), (20, 3)])
def test_it_never_overflows_the_terminal(moment: str, columns: int, rows: int) -> None:
    shown = view_text(moment, columns, rows).splitlines()
    assert len(shown) <= rows
    assert max(map(len, shown)) <= columns
