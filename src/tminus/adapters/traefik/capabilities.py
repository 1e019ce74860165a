"""What this router can do, as data."""

from tminus.ports.router import RouterCapabilities

CAPABILITIES = RouterCapabilities(
    name="traefik",
    weights=True,
    breaker=False,
    lease=False,
    drain=True,
    class_counts=True,
    apart=False,
    sticky=True,
    assets=False,
    hosted=True,
    notes=(
        "an instance that dies is noticed within a second: reads are tried again, writes if nothing was sent",
        "a request that was tried twice is counted twice",
        "`sticky` keeps clients where they are: a growing share takes new clients, and all at 100 %",
        "each route class has health checks of its own: instances are asked once a second per class",
        "connections kept open for the next request count as in flight for up to a second",
    ),
)
