"""Counters over windows and the verdicts drawn from them."""
