"""Readiness: what is kept ready between launches. Decisions only."""
