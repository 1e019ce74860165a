"""Commands of the team, run once in an artifact. Must not know why they are run."""
