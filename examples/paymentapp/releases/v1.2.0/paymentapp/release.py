"""What this release is."""

RELEASE = "1.2.0"
