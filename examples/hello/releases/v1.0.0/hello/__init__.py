"""A small shop, as a service to launch."""
