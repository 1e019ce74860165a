"""`python3 -m paymentapp --port 8000`: serves until SIGTERM."""

import argparse
import asyncio
import os

from paymentapp.app import App
from paymentapp.server import Server
from paymentapp.settings import from_environment


def main() -> None:
    parser = argparse.ArgumentParser(prog="paymentapp")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=int(os.environ.get("PORT", "8000")))
    options = parser.parse_args()
    app = App(from_environment(str(options.port)))

    def leave() -> None:
        app.health.leaving = True

    asyncio.run(Server(app, app.headers).run(options.host, options.port, leave))


if __name__ == "__main__":
    main()
