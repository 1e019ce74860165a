"""Where one SQL statement ends."""

import pytest

from tminus.plan.statement import sql_of


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("select 1", "select 1"),
        ("  select 1;\n", "select 1"),
        ("select 1 ; ;", "select 1"),
        ("select ';'", "select ';'"),
        ("select 'it''s; so';", "select 'it''s; so'"),
        ("select E'\\';' from a", "select E'\\';' from a"),
        ('select "a;b" from c', 'select "a;b" from c'),
        ("select 1 -- first; then\n, 2", "select 1 -- first; then\n, 2"),
        ("select 1 /* ; */ , 2", "select 1 /* ; */ , 2"),
        ("select $$;$$, $a$ $$ ; $a$;", "select $$;$$, $a$ $$ ; $a$"),
        ("select 1; -- done", "select 1"),
    ],
)
def test_a_semicolon_ends_a_statement_only_where_sql_says_so(typed: str, read: str) -> None:
    assert sql_of(typed) == read


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("", "it holds no statement"),
        (" ; ", "it holds no statement"),
        ("-- a remark", "it holds no statement"),
        ("select 1; select 2", "it holds a semicolon in its middle, so it is more than one statement"),
        ("select ''; delete from a;", "it holds a semicolon in its middle, so it is more than one statement"),
        ("select 'open", "it has a quote or a comment that is not closed"),
        ("select 1 /* open", "it has a quote or a comment that is not closed"),
        ("select '\0'", "it holds a zero byte"),
    ],
)
def test_what_is_not_one_statement_is_refused_with_a_reason(typed: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        sql_of(typed)
