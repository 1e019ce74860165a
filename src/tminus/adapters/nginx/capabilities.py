"""What this router can do, as data."""

from tminus.ports.router import RouterCapabilities

CAPABILITIES = RouterCapabilities(
    name="nginx",
    weights=True,
    breaker=False,
    lease=False,
    drain=True,
    class_counts=True,
    apart=False,
    sticky=False,
    assets=False,
    hosted=False,
    forgets=False,
    lossless=False,
    notes=(
        "every write of a route reloads nginx, which closes idle connections of its clients",
        "a request that is on its way over one just then is lost: take `keepalive_timeout 0` for a launch",
        "for some tenths of a second after a write both routes are in force",
        "nginx has to run on this machine: what is in flight on a slot is what the kernel lists",
        "counts come from a log that nginx writes for tminus",
        "a machine that is started again comes up with the route of the trial",
    ),
)
