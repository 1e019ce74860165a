"""What this release is."""

RELEASE = "1.0.0"
