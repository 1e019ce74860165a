"""Ends with 0 where the database listens on nothing but this machine, with 1 where it does not."""

import os
import sys

import psycopg

LOCAL = {"", "localhost", "127.0.0.1", "::1"}

with psycopg.connect(os.environ["TMINUS_SECRET"], connect_timeout=3) as connection:
    row = connection.execute("SHOW listen_addresses").fetchone()
addresses = {part.strip() for part in (row[0] if row else "*").split(",")}
print(f"it listens on {', '.join(sorted(addresses)) or 'a socket file'}")
sys.exit(0 if addresses <= LOCAL else 1)
