"""Prometheus: what it reads from tminus, the rules that it evaluates, and the numbers it is asked for."""
