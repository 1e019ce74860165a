"""The schema version that the team's migration tool recorded. Knows Alembic's table."""

import psycopg

from tminus.adapters.postgres.session import Connection

_UNTOLD = ("42501", "42703")  # the role may not read it; the table is somebody else's of that name


def read_schema_version(connection: Connection) -> str:
    """The version, or several with commas between; empty where none is recorded or may be read.

    Raises:
        psycopg.Error: the connection ended, or there was no answer in time.
    """
    row = connection.execute("SELECT pg_catalog.to_regclass('alembic_version') IS NOT NULL").fetchone()
    if row != (True,):
        return ""
    try:
        rows = connection.execute("SELECT version_num::text FROM alembic_version ORDER BY 1").fetchall()
    except psycopg.Error as error:
        if error.sqlstate in _UNTOLD:
            return ""
        raise
    return ",".join(str(version) for (version,) in rows)
