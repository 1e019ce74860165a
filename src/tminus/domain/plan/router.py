"""Which router stands before the service, and what it must be told. Must not know what any of them can do."""

from dataclasses import dataclass
from enum import StrEnum


class RouterName(StrEnum):
    """The routers that there are, as a plan calls them."""

    HAPROXY = "haproxy"
    TRAEFIK = "traefik"
    NGINX = "nginx"


@dataclass(frozen=True, slots=True)
class RouterChoice:
    """The router of a service.

    Attributes:
        name: which.
        file: of somebody else's nginx: the file that tminus writes and nginx includes; absolute.
        reload: of the same: the command that has nginx read it again.
        test: of the same: the command that says whether nginx could.
    """

    name: RouterName = RouterName.HAPROXY
    file: str = ""
    reload: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
