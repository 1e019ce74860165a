"""Who is at the keyboard. Identity that is proven by a signature is another matter."""

import getpass
import os

import click

USER_VARIABLE = "TMINUS_USER"


def person() -> str:
    """Principal id of whoever runs this command: TMINUS_USER, else the name of the login."""
    named = os.environ.get(USER_VARIABLE)
    if named:
        return named
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


by_option = click.option("--by", default=person, show_default="you", help="Principal id that is recorded.")
