"""A service that answers what its path and its mode say; run as `python service.py SLOT PORT`."""

import asyncio
import sys
from collections import Counter
from urllib.parse import parse_qs, urlsplit

BODY_LIMIT_BYTES = 1 << 20


class Service:
    """One instance; `mode` is what it does to every request that is not about itself."""

    def __init__(self, slot: str) -> None:
        self.slot = slot
        self.mode = "ok"
        self.requests = 0
        self.posts: Counter[str] = Counter()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._one(reader, writer):
                pass
        except (OSError, EOFError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ")
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head[1:])
        }
        await reader.readexactly(int(headers.get("content-length", "0")))
        url = urlsplit(target)
        question = {name: values[0] for name, values in parse_qs(url.query).items()}
        stays = headers.get("connection", "").lower() != "close"
        if url.path == "/stream":
            await self._stream(writer, int(question["chunks"]), int(question["pause_ms"]))
            return stays
        status, text = await self._answer(method, url.path, question, headers)
        if status is None:
            return False
        body = text.encode()
        closing = "" if stays else "Connection: close\r\n"
        lines = (f"HTTP/1.1 {status} X", f"X-Slot: {self.slot}", f"Content-Length: {len(body)}")
        head_out = "\r\n".join(lines) + f"\r\n{closing}\r\n"
        writer.write(head_out.encode() + body)
        await writer.drain()
        return stays

    async def _answer(
        self, method: str, path: str, question: dict[str, str], headers: dict[str, str]
    ) -> tuple[int | None, str]:
        if path == "/healthz":
            return (503 if self.mode == "unhealthy" else 200), "ok"
        if path == "/mode":
            self.mode = question["is"]
            return 200, self.mode
        if path == "/posts":
            return 200, f"{len(self.posts)} {sum(self.posts.values())} {self.requests}"
        self.requests += 1
        if method == "POST" and "x-rid" in headers:
            self.posts[headers["x-rid"]] += 1
        if "wait_ms" in question:
            await asyncio.sleep(int(question["wait_ms"]) / 1000)
        if self.mode == "slow":
            await asyncio.sleep(0.5)
        if self.mode == "hangup":
            return None, ""
        if self.mode == "error":
            return 500, "failed"
        if path.startswith("/assets/") and path != f"/assets/{self.slot}.js":
            return 404, "missing"
        return int(question.get("status", "200")), self.slot

    async def _stream(self, writer: asyncio.StreamWriter, chunks: int, pause_ms: int) -> None:
        writer.write(f"HTTP/1.1 200 X\r\nX-Slot: {self.slot}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        for _ in range(chunks):
            writer.write(b"1\r\nx\r\n")
            await writer.drain()
            await asyncio.sleep(pause_ms / 1000)
        writer.write(b"0\r\n\r\n")
        await writer.drain()


async def main(slot: str, port: int) -> None:
    server = await asyncio.start_server(Service(slot).serve, "127.0.0.1", port, backlog=512)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
