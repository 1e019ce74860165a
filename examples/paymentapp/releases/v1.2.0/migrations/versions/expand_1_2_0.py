"""A risk beside every payment; 1.1.0 writes none."""

from alembic import op

revision = "expand_1_2_0"
down_revision = "contract_1_1_0"


def upgrade() -> None:
    op.execute("ALTER TABLE payments ADD COLUMN IF NOT EXISTS risk smallint")
