"""Grafana: a dashboard over the series of tminus."""
