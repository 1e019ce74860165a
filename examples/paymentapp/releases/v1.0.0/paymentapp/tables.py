"""Names of tables, written once."""

SESSIONS = "sessions"
