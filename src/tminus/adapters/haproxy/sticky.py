"""Rules by which a client stays on the slot that it was given, while a share of the requests is split.

Nothing is stored: a client is on the candidate when the hash of its cookie lies below the share. So a growing
share moves nobody back, and a reload, a restart or a second router decides the same.
"""

from collections.abc import Iterator

SEED = 7  # of the hash; another one would move clients while a trial runs


def draw(cookie: str) -> Iterator[str]:
    """Where the request stands among ten thousand, less the share: below zero it is the candidate's."""
    if not cookie:
        yield "  http-request set-var(txn.draw) rand(10000),sub(txn.bp)"
        return
    yield f"  acl known req.cook({cookie}) -m len 1:"
    yield f"  http-request set-var(txn.client) req.cook({cookie}) if known"
    # Drawn before the answer that brings it to the client: its first and its second request agree.
    yield "  http-request set-var(txn.fresh) uuid if !known !probe"
    yield "  http-request set-var(txn.client) var(txn.fresh) if !known"
    yield f"  http-request set-var(txn.draw) var(txn.client),xxh32({SEED}),mod(10000),sub(txn.bp)"


def hand_out(cookie: str) -> Iterator[str]:
    """Gives the cookie to a client that has none, until it closes its browser."""
    if cookie:
        value = f"{cookie}=%[var(txn.fresh)]; Path=/; HttpOnly; SameSite=Lax"
        yield f'  http-response add-header Set-Cookie "{value}" if {{ var(txn.fresh) -m found }}'
