"""Secret values, fetched at the moment of use by whoever starts a step."""

from typing import Protocol

from tminus.domain.plan.secret import SecretRef


class Secrets(Protocol):
    """Resolves references."""

    def resolve(self, ref: SecretRef) -> str:
        """The value.

        Raises:
            Refused: `secret-missing`; the text names the reference, never a value.
        """
        ...
