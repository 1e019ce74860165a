"""What a `.dockerignore` leaves out of a build's context, as the Docker command line reads it."""

import posixpath
import re
from collections.abc import Sequence


class Ignore:
    """The patterns of one file. The last one that matches a path, or a folder above it, decides."""

    def __init__(self, text: str) -> None:
        """Takes the file's content."""
        self._rules = [rule for line in text.splitlines() if (rule := _rule(line))]

    def leaves_out(self, path: str) -> bool:
        """Whether the path, relative to the context, stays out."""
        out = False
        above = _with_parents(path)
        for pattern, kept in self._rules:
            if out == kept and any(pattern.fullmatch(each) for each in above):
                out = not kept
        return out


def _rule(line: str) -> tuple[re.Pattern[str], bool] | None:
    text = line.strip()
    if not text or text.startswith("#"):
        return None
    kept = text.startswith("!")
    text = posixpath.normpath(text.removeprefix("!").strip()).lstrip("/")
    return (re.compile(_expression(text)), kept) if text not in ("", ".") else None


def _with_parents(path: str) -> Sequence[str]:
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]


def _expression(pattern: str) -> str:
    """`**` is any number of folders, `*` and `?` stay within one, `[…]` is a set; else as written."""
    out, index = "", 0
    while index < len(pattern):
        if pattern.startswith("**/", index):
            out, index = out + "(?:.*/)?", index + 3
        elif pattern.startswith("**", index):
            out, index = out + ".*", index + 2
        elif pattern[index] == "*":
            out, index = out + "[^/]*", index + 1
        elif pattern[index] == "?":
            out, index = out + "[^/]", index + 1
        elif pattern[index] == "[" and "]" in pattern[index:]:
            end = pattern.index("]", index)
            out, index = out + pattern[index : end + 1], end + 1
        elif pattern[index] == "\\" and index + 1 < len(pattern):
            out, index = out + re.escape(pattern[index + 1]), index + 2
        else:
            out, index = out + re.escape(pattern[index]), index + 1
    return out
