"""The names of HAProxy's files and sockets."""

from tminus.domain.launch.slot import Slot

CONFIG = "haproxy.cfg"
ROUTE_MAP = "route.map"
KEY = "r"  # of the one entry in it
CONSOLE = "h.sock"
PROBE = "probe.sock"
ASSETS = {slot: f"assets-{slot}.sock" for slot in Slot}
LOG = "haproxy.log"
