"""Runs migrations against DATABASE_URL, each in a transaction of its own.

Limits such as a lock timeout come from the environment (PGOPTIONS), which libpq reads by itself.
"""

import os

from alembic import context
from sqlalchemy import create_engine, make_url, pool

url = make_url(os.environ["DATABASE_URL"]).set(drivername="postgresql+psycopg")
engine = create_engine(url, poolclass=pool.NullPool)
with engine.connect() as connection:
    # One transaction for all would keep the locks of the first until the last is done.
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
