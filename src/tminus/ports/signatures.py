"""Signatures of people, as whoever decides on what they signed needs them."""

from typing import Protocol


class Signatures(Protocol):
    """Tells whose key made a signature."""

    def key_of(self, namespace: str, content: bytes, signature: str) -> str:
        """The public key, as `domain.readiness.key` writes it, that signed `content` for `namespace`.

        Empty where the signature does not hold, is for something else, or is none: it is never a fault.
        """
        ...
