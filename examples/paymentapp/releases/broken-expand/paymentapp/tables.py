"""Names of tables, written once."""

SESSIONS = "logins"
