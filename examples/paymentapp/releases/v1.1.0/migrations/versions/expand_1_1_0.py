"""Amounts in cents with a currency, beside the amounts that 1.0.0 reads and writes."""

import sqlalchemy as sa
from alembic import op

revision = "expand_1_1_0"
down_revision = "expand_1_0_0"

BATCH = 1_000  # rows locked at once: payments of these wait for some milliseconds


def upgrade() -> None:
    # Each step stands a second run: what is committed below stays when a later step fails.
    op.execute("ALTER TABLE payments ADD COLUMN IF NOT EXISTS amount_cents bigint")
    op.execute("ALTER TABLE payments ADD COLUMN IF NOT EXISTS currency text NOT NULL DEFAULT 'EUR'")
    # Each release writes the column it knows; this writes the other one, so both can read every row.
    op.execute(
        """
        CREATE OR REPLACE FUNCTION payments_both_amounts() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            NEW.amount_cents := coalesce(NEW.amount_cents, (NEW.amount * 100)::bigint);
            NEW.amount := coalesce(NEW.amount, NEW.amount_cents / 100.0);
            RETURN NEW;
        END
        $$
        """
    )
    op.execute(
        """
        CREATE OR REPLACE TRIGGER payments_both_amounts BEFORE INSERT ON payments
        FOR EACH ROW EXECUTE FUNCTION payments_both_amounts()
        """
    )
    with op.get_context().autocommit_block():
        _fill()


def _fill() -> None:
    """In batches of their own: one statement over a large table would hold up every payment in it."""
    statement = sa.text(
        """
        UPDATE payments SET amount_cents = (amount * 100)::bigint WHERE id IN (
            SELECT id FROM payments WHERE amount_cents IS NULL ORDER BY id LIMIT :batch FOR UPDATE
        )
        """
    )
    while op.get_bind().execute(statement, {"batch": BATCH}).rowcount:
        pass
