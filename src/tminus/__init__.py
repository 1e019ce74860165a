"""Launch control for software releases. The package root is empty on purpose: import from its floors."""
