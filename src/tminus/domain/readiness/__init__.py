"""Verdicts and gates: what must hold before a step is taken."""
