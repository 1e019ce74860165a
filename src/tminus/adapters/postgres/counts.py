"""What is in a database, table by table: rows, and a checksum that does not depend on their order."""

from collections.abc import Iterator, Sequence

from psycopg import sql

from tminus.adapters.postgres.session import Connection
from tminus.ports.database import TableCount

# Ordinary tables and partitions; what an extension brought along comes back with the extension, not the dump.
_TABLES = """
SELECT n.nspname, c.relname, c.relpersistence = 'p'
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.relpersistence <> 't'
  AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
  AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_depend d
    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1, 2
"""
# A sum of 64-bit hashes as a numeric: it cannot overflow, and equal rows do not cancel each other out.
_COUNT = """
SELECT pg_catalog.count(*),
       coalesce(pg_catalog.sum(pg_catalog.hashtextextended(tminus_row::text, 0)::numeric), 0)::text
FROM ONLY {table} AS tminus_row
"""


def count_tables(connection: Connection, *, logged_only: bool = False) -> Iterator[TableCount]:
    """Every table of the database, in the transaction that `connection` is in.

    Rows are compared as the text that PostgreSQL gives them. Row security is switched off: a role that may
    not see every row is told so instead of counting some.
    """
    connection.execute("SET LOCAL row_security = off")
    connection.execute("SET LOCAL search_path = ''")  # names within values are then always written in full
    connection.execute("SET LOCAL bytea_output = 'hex'")
    for schema, name, logged in connection.execute(_TABLES).fetchall():
        if logged_only and not logged:
            continue
        query = sql.SQL(_COUNT).format(table=sql.Identifier(schema, name))
        row = connection.execute(query).fetchone()
        assert row is not None
        yield TableCount(f"{schema}.{name}", row[0], row[1])


def names_of_tables(connection: Connection) -> list[tuple[str, str]]:
    """(schema, name) of every table that a backup counts.

    Raises:
        psycopg.Error: the connection ended, or there was no answer in time.
    """
    return [(schema, name) for schema, name, _ in connection.execute(_TABLES).fetchall()]


def differences(wanted: Sequence[TableCount], found: Sequence[TableCount]) -> tuple[str, ...]:
    """What is not as it was, as sentences in the order of the tables' names."""
    before = {count.table: count for count in wanted}
    after = {count.table: count for count in found}
    sentences = []
    for table in sorted(before.keys() | after.keys()):
        then, now = before.get(table), after.get(table)
        if then is None:
            sentences.append(f"table {table} came back, the snapshot did not have it")
        elif now is None:
            sentences.append(f"table {table} did not come back, the snapshot had {then.rows} rows in it")
        elif then.rows != now.rows:
            sentences.append(f"table {table} came back with {now.rows} rows, the snapshot had {then.rows}")
        elif then.checksum != now.checksum:
            sentences.append(f"table {table} came back with {now.rows} rows, some of them altered")
    return tuple(sentences)
