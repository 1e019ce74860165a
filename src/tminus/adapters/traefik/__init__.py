"""Traefik as router: one file is the route, its metrics count, the kernel tells what is in flight."""
