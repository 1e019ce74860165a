"""Every payment has a risk from now on, which 1.1.0 cannot write."""

from alembic import op

revision = "contract_1_2_0"
down_revision = "expand_1_2_0"


def upgrade() -> None:
    op.execute("UPDATE payments SET risk = 0 WHERE risk IS NULL")
    op.execute("ALTER TABLE payments ALTER COLUMN risk SET NOT NULL")
