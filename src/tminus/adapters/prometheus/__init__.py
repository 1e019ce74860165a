"""Prometheus: what it reads from tminus, and the rules that it evaluates."""
