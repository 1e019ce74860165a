"""What an invariant raises that did not hold."""


class Violation(AssertionError):  # noqa: N818 - an invariant is violated, the term of the field
    """An invariant did not hold."""
