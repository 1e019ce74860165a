"""`python3 -m hello --port 8000`: serves the shop until SIGTERM."""

import argparse
import asyncio
import os

from hello.app import Shop
from hello.release import RELEASE
from hello.server import Server
from hello.store import Store


def main() -> None:
    parser = argparse.ArgumentParser(prog="hello")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", "8000")))
    options = parser.parse_args()
    slot = os.environ.get("TMINUS_SLOT", "")
    app = Shop(Store(os.environ.get("HELLO_LEDGER", "")), slot=slot, port=str(options.port))

    def leave() -> None:
        app.draining = True

    server = Server(app, [(b"x-release", RELEASE.encode()), (b"x-slot", slot.encode())])
    asyncio.run(server.run(options.host, options.port, leave))


if __name__ == "__main__":
    main()
