"""Renames a table that the version before reads: this release works, that one does not."""

from alembic import op

revision = "expand_@REVISION@"
down_revision = "@BASE@"


def upgrade() -> None:
    op.execute("ALTER TABLE sessions RENAME TO logins")
