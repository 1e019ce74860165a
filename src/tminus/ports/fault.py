"""The three faults that may cross a port. Anything else is a bug."""


class PortFault(Exception):  # noqa: N818 - "fault" is the term; subclasses are the three of them
    """Base of the three faults.

    Attributes:
        code: kebab-case, stable, never parsed from a message.
        why: one sentence for the operator.
    """

    def __init__(self, code: str, why: str) -> None:
        """See the class."""
        super().__init__(f"{code}: {why}")
        self.code = code
        self.why = why


class Refused(PortFault):
    """No effect, and the same call will be refused again: do not retry."""


class Unavailable(PortFault):
    """No effect now: retry later."""


class Unknown(PortFault):
    """The call may have had its effect: observe before doing anything again."""
