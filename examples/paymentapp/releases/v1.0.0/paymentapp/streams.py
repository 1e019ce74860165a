"""What takes its time: a body read slowly, an answer in many chunks, a conversation."""

import asyncio
import hashlib
from typing import Any

from paymentapp.request import Answer, Receive, RefusedError, Request, Send

UPLOAD_LIMIT = 16 * 1024 * 1024
_PAUSE_LIMIT_MS = 1_000
_CHUNKS_LIMIT = 1_000


async def upload(request: Request) -> Answer:
    """The digest of the body. It is read with a pause after each piece, as a slow disk would."""
    pause_s = request.number("pause_ms", 20, _PAUSE_LIMIT_MS) / 1000
    digest, count, more = hashlib.sha256(), 0, True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise RefusedError(400, "the body ended early")
        digest.update(message.get("body", b""))
        count += len(message.get("body", b""))
        more = message.get("more_body", False)
        if count > UPLOAD_LIMIT:
            raise RefusedError(413, "the body is too large")
        if more:
            await asyncio.sleep(pause_s)
    return Answer(200, {"bytes": count, "digest": f"sha256:{digest.hexdigest()}"})


async def stream(request: Request, send: Send, headers: list[tuple[bytes, bytes]]) -> None:
    """As many lines as asked for, one after the other."""
    chunks = request.number("chunks", 10, _CHUNKS_LIMIT)
    pause_s = request.number("pause_ms", 50, _PAUSE_LIMIT_MS) / 1000
    own = (b"content-type", b"text/plain")
    await send({"type": "http.response.start", "status": 200, "headers": [own, *headers]})
    for number in range(1, chunks + 1):
        line = f"chunk {number} of {chunks}\n".encode()
        await send({"type": "http.response.body", "body": line, "more_body": True})
        await asyncio.sleep(pause_s)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def echo(receive: Receive, send: Send, headers: list[tuple[bytes, bytes]]) -> None:
    """Says back what it is told, until the other side or this instance leaves."""
    await receive()
    await send({"type": "websocket.accept", "headers": headers})
    while True:
        message: dict[str, Any] = await receive()
        if message["type"] == "websocket.disconnect":
            return
        told = {name: message[name] for name in ("text", "bytes") if message.get(name) is not None}
        await send({"type": "websocket.send", **told})
