"""Adds a column, takes its time, and adds another: whoever is killed in between may run it again."""

from alembic import op

revision = "expand_@REVISION@"
down_revision = "@BASE@"

PAUSE_S = 4


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE payments ADD COLUMN IF NOT EXISTS note text")
        op.execute(f"SELECT pg_sleep({PAUSE_S})")
    op.execute("ALTER TABLE payments ADD COLUMN IF NOT EXISTS noted_by text")
