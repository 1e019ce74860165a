"""What is wrong, said so that an operator at 3 a.m. can act on it. Must not print or decide anything."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        code: kebab-case name, stable over releases, listed in docs/reference/errors.md.
        what: one sentence on what is wrong.
        where: file:line:column, path, service or launch it concerns; empty where there is none.
        why: the rule or the cause behind it.
        fix: what to do next, a command where one exists.
    """

    code: str
    what: str
    where: str = ""
    why: str = ""
    fix: str = ""

    def text(self) -> str:
        """The form shown in a terminal: one line for what, then where, why and what to do."""
        lines = [f"error[{self.code}]: {self.what}"]
        if self.where:
            lines.append(f"  where: {self.where}")
        if self.why:
            lines.append(f"    why: {self.why}")
        if self.fix:
            lines.append(f"    fix: {self.fix}")
        return "\n".join(lines)


class ProblemError(Exception):
    """Raised with every problem found at once, never only with the first."""

    def __init__(self, *problems: Problem) -> None:
        """Takes one or more problems; several are shown in the order given."""
        super().__init__("\n".join(problem.text() for problem in problems))
        self.problems = problems
