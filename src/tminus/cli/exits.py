"""What a verb that follows a launch ends with. Nothing is imported, so that every verb can afford it."""

EXIT_CODES = {"promoted": 0, "rolled-back": 3, "withdrawn": 3, "scrubbed": 4}
"""By the launch's outcome."""
