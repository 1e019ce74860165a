"""Whole launches told once, and retold on every runtime and router: what happens, and how it must end."""
