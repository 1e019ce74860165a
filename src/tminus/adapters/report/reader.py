"""A program that reads reports nobody vouches for, where it can do no harm: little memory and little time.

`python -m tminus.adapters.report.reader ORDER` with ORDER the JSON of `Order`. It prints one line of JSON: a
list with an object for each path, `{"summary", "changed_ms"}` or `{"why"}`. It is a program and no function
because a parser that hangs or eats memory must be ended without ending whoever waits for it.
"""

import json
import os
import resource
import stat
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tminus.adapters.report.coverage import coverage_summary
from tminus.adapters.report.cyclonedx import cyclonedx_summary
from tminus.adapters.report.figures import figures
from tminus.adapters.report.junit import junit_summary
from tminus.adapters.report.leaks import leaks_summary
from tminus.adapters.report.sarif import sarif_summary
from tminus.domain.watch.answer_text import parse_answer

MOST_BYTES = 32 * 1024 * 1024
"""Of one report; those of large repositories have a few megabytes."""

MEMORY_BYTES = 640 * 1024 * 1024
"""What the program may take; a parsed report takes some twenty times its length at worst."""

_OPEN_FILES = 32


@dataclass(frozen=True, slots=True)
class Order:
    """What to read.

    Attributes:
        kind: a name in `KINDS`.
        paths: of the reports.
        seconds: of processor time that all of them together may take.
    """

    kind: str
    paths: Sequence[str]
    seconds: int


def _parsed(summary: Callable[[Any], dict[str, Any]]) -> Callable[[bytes], dict[str, Any]]:
    def read(content: bytes) -> dict[str, Any]:
        if content.lstrip()[:1] == b"<":
            raise ValueError("it is XML; have the tool write JSON")
        return summary(parse_answer(content))

    return read


KINDS: Mapping[str, Callable[[bytes], dict[str, Any]]] = {
    "junit": junit_summary,
    "coverage": coverage_summary,
    "sarif": _parsed(sarif_summary),
    "cyclonedx": _parsed(cyclonedx_summary),
    "figures": figures,
    "leaks": _parsed(leaks_summary),
}
"""How a report of each kind is read: from its content to a summary of whole numbers and short texts."""


def read_file(path: str, read: Callable[[bytes], dict[str, Any]]) -> dict[str, Any]:
    """The summary of a report, or why there is none. Never raises."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return {"why": "it is no plain file"}
            if status.st_size > MOST_BYTES:
                return {"why": f"it is larger than {MOST_BYTES} bytes"}
            content = file.read(MOST_BYTES + 1)
        if not content.strip():
            return {"why": "it is empty"}
        if len(content) > MOST_BYTES:
            return {"why": f"it is larger than {MOST_BYTES} bytes"}
        return {"summary": read(content), "changed_ms": status.st_mtime_ns // 1_000_000}
    except OSError as error:
        return {"why": error.strerror or "it cannot be read"}
    except MemoryError:
        return {"why": "to read it takes more memory than a report may"}
    except RecursionError:
        return {"why": "it is nested too deeply"}
    except (ValueError, TypeError, ArithmeticError) as error:
        return {"why": str(error) or type(error).__name__}
    except (AttributeError, LookupError) as error:
        return {"why": f"it is not put together as its format says ({type(error).__name__})"}


def confine(seconds: int) -> None:
    """Bounds what this process may take from now on."""
    for what, limit in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        _, most = resource.getrlimit(what)
        resource.setrlimit(what, (limit if most == resource.RLIM_INFINITY else min(limit, most), most))


def main(arguments: Sequence[str]) -> int:
    """Reads what the order names."""
    order = Order(**json.loads(arguments[0]))
    confine(order.seconds)
    read = KINDS[order.kind]
    answers = [read_file(path, read) for path in order.paths]
    sys.stdout.write(json.dumps(answers) + "\n")
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
