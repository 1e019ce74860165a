"""What this release is."""

RELEASE = "@VERSION@"
