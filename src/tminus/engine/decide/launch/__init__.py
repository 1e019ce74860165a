"""The launch chapter of decisions: orders, protection, progress and the commands that follow from them."""
