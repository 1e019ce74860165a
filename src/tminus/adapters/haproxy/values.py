"""Values from a plan as words of HAProxy's configuration: refused where they could not stand in one."""

import re

from tminus.domain.launch.slot import Slot
from tminus.ports.fault import Refused
from tminus.ports.router import Hosting

_ADDRESS = re.compile(r"[A-Za-z0-9._\[\]:-]+:\d{1,5}")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_METHOD = re.compile(r"[A-Z]+")
_PATH = re.compile(r"/[!-~]*")
_DIGEST = re.compile(r"[\w:.-]*")
_COOKIE = re.compile(r"[A-Za-z0-9_-]*")


def check(hosting: Hosting) -> None:
    """Refuses a hosting that could say more in a configuration than it should.

    Raises:
        Refused: `router-config-rejected`.
    """
    for slot in Slot:
        for address in hosting.addresses.get(slot, ()):
            _need(_ADDRESS, address, "address")
    for route_class in hosting.route_classes:
        _need(_NAME, route_class.name, "route class")
        for path in route_class.paths:
            _need(_PATH, path, "path")
        for method in route_class.methods:
            _need(_METHOD, method, "method")
    for path in hosting.asset_paths:
        _need(_PATH, path, "asset path")
    _need(_PATH, hosting.health_path, "health path")
    _need(_DIGEST, hosting.digest, "digest")
    _need(_COOKIE, hosting.sticky_cookie, "cookie")


def quoted(value: str) -> str:
    """The value, taken literally: in double quotes HAProxy still expands variables and reads backslashes."""
    return '"' + re.sub(r'([\\"$])', r"\\\1", value) + '"'


def below(path: str, acl: str) -> list[str]:
    """Rules that make `acl` true for a path and all below it: `/pay` and `/pay/x`, not `/payroll`."""
    prefix = path.rstrip("/")
    rules = [f"  acl {acl} path -m beg {quoted(prefix + '/')}"]
    if prefix:
        rules.append(f"  acl {acl} path -m str {quoted(prefix)}")
    return rules


def _need(shape: re.Pattern[str], value: str, what: str) -> None:
    if not shape.fullmatch(value):
        raise Refused("router-config-rejected", f"{value!r} is no {what} that HAProxy could be given")
