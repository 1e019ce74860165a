"""Values behind `env:`, `file:` and `command:` references. Must not keep, print or quote a value."""

import contextlib
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tminus.domain.plan.secret import SecretRef, SecretSource
from tminus.ports.fault import Refused

COMMAND_LIMIT_S = 10.0  # a password store that asks a person for longer than this holds up every launch
VALUE_LIMIT_BYTES = 64 * 1024  # a certificate with its chain fits; a wrong path to a log file does not


class ReferenceSecrets:
    """Resolves references at the moment of use.

    One line break at the end of a file or of a command's output is not part of the value.
    """

    def __init__(
        self, environment: Mapping[str, str], directory: Path, *, command_limit_s: float = COMMAND_LIMIT_S
    ) -> None:
        """Takes values and makes no call.

        Args:
            environment: where `env:` looks, and what a command runs with.
            directory: relative paths of `file:` start here, and commands run here.
            command_limit_s: a command that takes longer is killed and counts as missing.
        """
        self._environment = environment
        self._directory = directory
        self._command_limit_s = command_limit_s

    def resolve(self, ref: SecretRef) -> str:
        """See the port. An empty value counts as missing.

        Raises:
            Refused: `secret-missing`.
        """
        if ref.source is SecretSource.ENV:
            value = self._environment.get(ref.locator, "")
        else:
            content = self._file(ref) if ref.source is SecretSource.FILE else self._output(ref)
            value = _text(ref, content)
        if not value:
            raise _missing(ref, "it is empty or not set")
        return value

    def _file(self, ref: SecretRef) -> bytes:
        try:
            with (self._directory / Path(ref.locator).expanduser()).open("rb") as file:
                return file.read(VALUE_LIMIT_BYTES + 1)
        except (OSError, RuntimeError) as error:
            raise _missing(ref, f"the file cannot be read ({type(error).__name__})") from error

    def _output(self, ref: SecretRef) -> bytes:
        try:
            argv = shlex.split(ref.locator)
        except ValueError as error:
            raise _missing(ref, "the command line has an open quote") from error
        try:
            done = subprocess.run(
                argv,
                cwd=self._directory,
                env=dict(self._environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # what a password store complains about may quote a value
                timeout=self._command_limit_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            why = f"the command took longer than {self._command_limit_s:g} s"
            raise _missing(ref, why) from error
        except (OSError, IndexError, ValueError) as error:
            raise _missing(ref, f"the command cannot be run ({type(error).__name__})") from error
        if done.returncode != 0:
            raise _missing(ref, f"the command ended with {done.returncode}")
        return done.stdout


def _text(ref: SecretRef, content: bytes) -> str:
    if len(content) > VALUE_LIMIT_BYTES:
        raise _missing(ref, f"it has more than {VALUE_LIMIT_BYTES} bytes")
    text = None
    with contextlib.suppress(UnicodeDecodeError):
        text = content.decode()
    if text is None:  # raised out here: as a cause, the decoder's error would carry the bytes along
        raise _missing(ref, "it is not UTF-8 text")
    return text.removesuffix("\n").removesuffix("\r")


def _missing(ref: SecretRef, why: str) -> Refused:
    return Refused("secret-missing", f"secret {ref.text()}: {why}")
