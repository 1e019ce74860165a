"""Probes, one file each: they ask whether a launch is ready. Third parties register theirs the same way."""
