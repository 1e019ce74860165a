"""Somebody else's nginx as router: one file that it includes is the route, and its log is what counts."""
