"""A service whose requests last: websockets, streams, slow answers, uploads. Run with its port."""

import asyncio
import base64
import hashlib
import os
import signal
import sys
from urllib.parse import parse_qs, urlsplit

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
PULSE_S = 0.05
SLOT = os.environ.get("TMINUS_SLOT", "")


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while await answer(reader, writer):
            pass
    except (OSError, EOFError):
        pass
    finally:
        writer.close()


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """One request; whether another may follow."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    url = urlsplit(lines[0].split(" ")[1])
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (e.partition(":") for e in lines[1:])
    }
    question = {name: int(values[0]) for name, values in parse_qs(url.query).items()}
    if url.path == "/live":
        await echo(reader, writer, headers["sec-websocket-key"].encode())
        return False
    if url.path == "/stream":
        await stream(writer, question["pulses"])
        return True
    received = await upload(reader, int(headers.get("content-length", "0")))
    await asyncio.sleep(question.get("wait_ms", 0) / 1000)
    say(writer, f"{SLOT} {received}")
    await writer.drain()
    return headers.get("connection", "").lower() != "close"


async def upload(reader: asyncio.StreamReader, length: int) -> int:
    received = 0
    while received < length:
        content = await reader.read(min(1 << 16, length - received))
        if not content:
            raise EOFError
        received += len(content)
    return received


def say(writer: asyncio.StreamWriter, text: str) -> None:
    body = text.encode()
    writer.write(f"HTTP/1.1 200 OK\r\nX-Slot: {SLOT}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)


async def stream(writer: asyncio.StreamWriter, pulses: int) -> None:
    writer.write(f"HTTP/1.1 200 OK\r\nX-Slot: {SLOT}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
    for _ in range(pulses):
        writer.write(b"1\r\nx\r\n")
        await writer.drain()
        await asyncio.sleep(PULSE_S)
    writer.write(b"0\r\n\r\n")
    await writer.drain()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: bytes) -> None:
    """A websocket that says back every short text frame."""
    accept = base64.b64encode(hashlib.sha1(key + GUID).digest()).decode()
    head = (
        f"HTTP/1.1 101 Switching Protocols\r\nX-Slot: {SLOT}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    )
    writer.write(f"{head}Sec-WebSocket-Accept: {accept}\r\n\r\n".encode())
    while True:
        first, length = await reader.readexactly(2)
        mask = await reader.readexactly(4)
        content = await reader.readexactly(length & 0x7F)
        if first & 0x0F == 8:
            return
        plain = bytes(byte ^ mask[index % 4] for index, byte in enumerate(content))
        writer.write(bytes((first, len(plain))) + plain)
        await writer.drain()


async def main(port: int) -> None:
    server = await asyncio.start_server(serve, "127.0.0.1", port, backlog=512)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with server:
        await ended.wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
