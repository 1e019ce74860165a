"""Drops what only 1.0.0 needs. After this there is no way back to it."""

from alembic import op

revision = "contract_1_1_0"
down_revision = "expand_1_1_0"


def upgrade() -> None:
    op.execute("DROP TRIGGER IF EXISTS payments_both_amounts ON payments")
    op.execute("DROP FUNCTION IF EXISTS payments_both_amounts()")
    op.execute("ALTER TABLE payments DROP COLUMN IF EXISTS amount")
    op.execute("ALTER TABLE payments ALTER COLUMN currency DROP DEFAULT")
    # Checked while payments go on; the column then takes the constraint's word for it.
    op.execute("ALTER TABLE payments ADD CONSTRAINT has_cents CHECK (amount_cents IS NOT NULL) NOT VALID")
    op.execute("ALTER TABLE payments VALIDATE CONSTRAINT has_cents")
    op.execute("ALTER TABLE payments ALTER COLUMN amount_cents SET NOT NULL")
    op.execute("ALTER TABLE payments DROP CONSTRAINT has_cents")
