"""From launch.yaml to domain values, with every mistake shown at once, at its line and column."""
