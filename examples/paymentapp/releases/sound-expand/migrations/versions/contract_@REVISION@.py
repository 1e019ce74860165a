"""Has every payment carry a memo from now on, which the release before does not know of."""

from alembic import op

revision = "contract_@REVISION@"
down_revision = "expand_@REVISION@"


def upgrade() -> None:
    # The default first: payments are made meanwhile, by a release that names no memo.
    op.execute("ALTER TABLE payments ALTER COLUMN memo SET DEFAULT ''")
    op.execute("UPDATE payments SET memo = '' WHERE memo IS NULL")
    op.execute("ALTER TABLE payments ALTER COLUMN memo SET NOT NULL")
