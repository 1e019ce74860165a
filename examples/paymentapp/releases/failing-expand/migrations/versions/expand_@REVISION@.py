"""Adds a column, and then wants of all payments what no payment is: it stops half-way."""

from alembic import op

revision = "expand_@REVISION@"
down_revision = "@BASE@"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE payments ADD COLUMN note text")
    op.execute("ALTER TABLE payments ADD CONSTRAINT has_note CHECK (note IS NOT NULL)")
