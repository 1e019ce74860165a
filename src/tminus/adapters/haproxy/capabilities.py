"""What this router can do, as data."""

from tminus.ports.router import RouterCapabilities

CAPABILITIES = RouterCapabilities(
    name="haproxy", weights=True, breaker=True, lease=True, drain=True, class_counts=True
)
