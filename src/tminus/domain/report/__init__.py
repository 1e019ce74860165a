"""Views of the journal for people: the log, the reason for waiting, the loss figure."""
