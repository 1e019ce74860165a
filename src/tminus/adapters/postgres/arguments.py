"""What the works here share: arguments, the database's URL, and faults told as a job's failure."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

from tminus.domain.canonical import Json
from tminus.domain.codec import DecodeError
from tminus.domain.problem import Problem, ProblemError
from tminus.ports.fault import PortFault

URL_VARIABLE = "DATABASE_URL"


def database_url() -> str:
    """The connection string in the job's environment.

    Raises:
        ProblemError: `database-url-missing`.
    """
    url = os.environ.get(URL_VARIABLE, "")
    if not url:
        raise ProblemError(
            Problem(
                "database-url-missing",
                f"the job has no {URL_VARIABLE}",
                why="the database's URL is a secret: it is no argument, but named under `secrets`",
                fix="set the reference under `database.url` in launch.yaml",
            )
        )
    return url


@contextlib.contextmanager
def problems(what: str) -> Iterator[None]:
    """Turns faults, and arguments of another shape, into a job's failure."""
    try:
        yield
    except PortFault as fault:
        raise ProblemError(Problem(fault.code, what, why=fault.why)) from fault
    except KeyError as error:
        raise bad_arguments(f"{error.args[0]} is missing") from error
    except (DecodeError, ValueError, TypeError) as error:
        raise bad_arguments(str(error)) from error


def bad_arguments(why: str) -> ProblemError:
    """The failure of a job whose arguments cannot be used."""
    return ProblemError(Problem("bad-arguments", "the work's arguments cannot be used", why=why))


def object_of(arguments: Json) -> Mapping[str, Any]:
    """The arguments as an object; empty where they are none."""
    return arguments if isinstance(arguments, dict) else {}
