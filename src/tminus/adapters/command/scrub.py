"""Takes secrets out of what a command prints, while it prints. Must not know whose secrets they are."""

import contextlib
from collections.abc import Iterable, Iterator
from urllib.parse import unquote, urlsplit

_SHORTEST = 4  # characters; what is shorter is no secret, and would tear holes into every line
_HELD_BYTES = 64 * 1024  # of a line that does not end
MASK = b"[secret]"


class Scrubber:
    """A stream of bytes with secrets replaced, whole lines at a time, so that no secret is cut in two."""

    def __init__(self, secrets: Iterable[str]) -> None:
        """Takes the texts; each line of one is a secret of its own, and so is the password of a URL."""
        lines = {text.strip() for secret in secrets for line in secret.splitlines() for text in _texts(line)}
        found = {line.encode() for line in lines if len(line) >= _SHORTEST}
        self._secrets = sorted(found, key=len, reverse=True)
        self._longest = max(map(len, self._secrets), default=0)
        self._held = b""

    def feed(self, content: bytes) -> bytes:
        """What can be said now of everything that came so far."""
        self._held += content
        ready = self._held.rfind(b"\n") + 1
        if not ready and len(self._held) > _HELD_BYTES + self._longest:
            self._held = self._clean(self._held)
            ready = len(self._held) - self._longest
        out, self._held = self._held[:ready], self._held[ready:]
        return self._clean(out)

    def end(self) -> bytes:
        """The rest, when nothing more comes."""
        out, self._held = self._held, b""
        return self._clean(out)

    def _clean(self, content: bytes) -> bytes:
        for secret in self._secrets:
            content = content.replace(secret, MASK)
        return content


def _texts(line: str) -> Iterator[str]:
    yield line
    with contextlib.suppress(ValueError):
        password = urlsplit(line.strip()).password or ""
        yield from (password, unquote(password))
