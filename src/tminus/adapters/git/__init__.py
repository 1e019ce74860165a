"""Releases in a git repository, and the build of an artifact from a tag's tree."""
