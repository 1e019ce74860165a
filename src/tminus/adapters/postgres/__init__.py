"""PostgreSQL: backups that are proven, migrations that run alone, and questions with a time limit."""
