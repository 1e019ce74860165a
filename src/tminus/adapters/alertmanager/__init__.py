"""Alertmanager: where its alerts go, and what it tells tminus."""
