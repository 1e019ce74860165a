"""The application for any ASGI server, set up from the environment: `uvicorn hello.asgi:app`."""

import os

from hello.app import Shop
from hello.store import Store

app = Shop(
    Store(os.environ.get("HELLO_LEDGER", "")),
    slot=os.environ.get("TMINUS_SLOT", ""),
    port=os.environ.get("PORT", ""),
)
