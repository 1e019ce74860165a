"""Adds a column that no release before this one knows of, and none needs."""

from alembic import op

revision = "expand_@REVISION@"
down_revision = "@BASE@"


def upgrade() -> None:
    op.execute("ALTER TABLE payments ADD COLUMN IF NOT EXISTS memo text")
