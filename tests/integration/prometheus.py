"""A real Prometheus on a free port that scrapes a small exporter each second."""

import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.integration.observability import Daemon, free_port

LIMIT_S = 60.0
PROGRAM = "prometheus"


class Exporter:
    """Series in the text format, changed by a test while it is scraped."""

    def __init__(self) -> None:
        self.text = ""
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                content = exporter.text.encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                with suppress(OSError):
                    self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Prometheus:
    """One server; `restart` keeps its port and its data."""

    def __init__(self, directory: Path, targets: tuple[int, ...]) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._config = directory / "prometheus.yml"
        listed = json.dumps([f"127.0.0.1:{port}" for port in targets])
        self._config.write_text(
            "global: {scrape_interval: 1s, scrape_timeout: 900ms}\n"
            f"scrape_configs: [{{job_name: shop, static_configs: [{{targets: {listed}}}]}}]\n",
            encoding="utf-8",
        )
        self._daemon = Daemon(
            PROGRAM,
            directory,
            [
                f"--config.file={self._config}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
            ],
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        self._daemon.start()

    def stop(self) -> None:
        self._daemon.stop()

    def query(self, text: str) -> list[Any]:
        """Series that a query finds; empty where the server does not answer yet."""
        url = f"{self.url}/api/v1/query?query={urllib.parse.quote(text)}"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                found: list[Any] = json.load(answer)["data"]["result"]
        except (urllib.error.URLError, OSError):
            return []
        return found

    def wait_for(self, text: str) -> None:
        """Returns once the query finds something."""
        ends_at = time.monotonic() + LIMIT_S
        while not self.query(text):
            assert time.monotonic() < ends_at, f"{text} found nothing\n{self._daemon.said()}"
            time.sleep(0.1)


@contextmanager
def exporting(count: int = 1) -> Iterator[list[Exporter]]:
    exporters = [Exporter() for _ in range(count)]
    try:
        yield exporters
    finally:
        for exporter in exporters:
            exporter.close()
