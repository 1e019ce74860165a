"""What this release is."""

RELEASE = "1.2.0"
GREETING = "welcome back, faster than ever"
