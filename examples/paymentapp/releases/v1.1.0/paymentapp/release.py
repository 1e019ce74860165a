"""What this release is."""

RELEASE = "1.1.0"
