"""Why the router does not send the candidate its share, from what its own rules say."""

from tminus.adapters.haproxy.console import Probe
from tminus.domain.launch.reading import Distrust
from tminus.domain.launch.route import Route, Watch

_LATCHES = {1: Distrust.ERRORS, 2: Distrust.SLOW, 3: Distrust.DOWN}


def distrust(route: Route, probe: Probe) -> Distrust:
    """NONE for a route that nobody watches, or one whose candidate gets what the route says."""
    if route.watch is Watch.NONE or route.candidate is None:
        return Distrust.NONE
    if probe.latch in _LATCHES:
        return _LATCHES[probe.latch]
    short, patient = probe.leases
    if not (short if route.watch is Watch.SHORT else patient):
        return Distrust.LEASE
    # The next request would latch it; until one comes, nothing has.
    return Distrust.NONE if route.candidate.value in probe.up else Distrust.DOWN
