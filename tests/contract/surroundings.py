"""What a source of a metric is given in tests."""

import os
from collections.abc import Callable
from pathlib import Path

from tminus.adapters.http.fetch import fetch
from tminus.domain.plan.secret import SecretRef, SecretSource
from tminus.ports.fault import Refused
from tminus.ports.metrics import Surroundings

SHELL = SecretRef(SecretSource.ENV, "TOKEN")


def no_secret(ref: SecretRef) -> str:
    raise Refused("secret-missing", f"{ref.text()} has no value")


def around(tmp_path: Path, secret: Callable[[SecretRef], str] = no_secret) -> Surroundings:
    return Surroundings(fetch, secret, {"PATH": os.defpath}, tmp_path, tmp_path)
