"""Reports of security scanners. Must not scan anything."""
