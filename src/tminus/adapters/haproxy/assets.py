"""Rules by which static files of both versions are found, whichever slot a request for one goes to.

A page of one version asks for files that the other version does not have. HAProxy can repeat a request that
was answered with 404, on another server of the same backend. So files have a backend of their own with two
servers, one for each slot. Each is a way back into HAProxy itself, to the slot's own backend.
"""

from collections.abc import Iterator

from tminus.adapters.haproxy import files, values
from tminus.domain.launch.slot import Slot

NET = "X-Tminus-Net"  # on the way back only: the answer came from the net behind the slot
_RESERVED = (
    4  # one connection in so many is kept for the way back, or clients could take all and wait for ever
)


def client_maxconn(maxconn: int) -> int:
    """How many connections clients may take."""
    return maxconn - maxconn // _RESERVED


def choose(paths: tuple[str, ...]) -> Iterator[str]:
    """Sends a request for a file to the backend that looks in both slots, where both can answer."""
    if not paths:
        return
    for path in paths:
        yield from values.below(path, "asset")
    # Caches share these answers among clients.
    yield "  http-request unset-var(txn.fresh) if asset"
    for slot in Slot:
        here = f"{{ var(txn.slot) -m str {slot} }}"
        yield f"  use_backend assets_{slot} if asset METH_GET up_blue up_green {here}"


def sections(paths: tuple[str, ...], maxconn: int) -> Iterator[str]:
    """The backend of each slot's files, and the ways back."""
    if not paths:
        return
    each = max(1, maxconn // _RESERVED // (2 * len(Slot)))
    for slot in Slot:
        yield f"backend assets_{slot}"
        # The first that is not the one just tried: the slot itself, then the other.
        yield "  balance first"
        yield "  retries 1"
        yield "  retry-on conn-failure empty-response 404"
        yield (
            f"  http-response set-var(txn.net) int(1) if {{ srv_name assets_{slot} }}"
            f" {{ res.hdr({NET}) -m found }}"
        )
        yield f"  http-response del-header {NET}"
        # The other slot was only asked for a favour: what is wrong with it is not this slot's failure.
        yield (
            '  http-response return status 404 content-type text/plain string "Not found.\\n"'
            f" if {{ srv_name assets_{slot.other} }} {{ status ge 500 }}"
        )
        for tried in (slot, slot.other):
            yield f"  server assets_{tried} unix@{files.ASSETS[tried]} no-check maxconn {each}"
    for slot in Slot:
        yield f"frontend from_assets_{slot}"
        yield f"  bind unix@{files.ASSETS[slot]} mode 600"
        yield f"  http-after-response del-header {NET}"
        yield f"  http-after-response set-header {NET} 1 if {{ srv_name -m beg net_ }}"
        yield f"  default_backend be_{slot}"
