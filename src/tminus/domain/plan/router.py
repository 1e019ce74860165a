"""Which router stands before the service. Must not know what any of them can do."""

from dataclasses import dataclass
from enum import StrEnum


class RouterName(StrEnum):
    """The routers that there are, as a plan calls them."""

    HAPROXY = "haproxy"
    TRAEFIK = "traefik"


@dataclass(frozen=True, slots=True)
class RouterChoice:
    """The router of a service: which it is."""

    name: RouterName = RouterName.HAPROXY
