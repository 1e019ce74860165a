"""What an event gives to say, before it is known where in the log it stands."""

from dataclasses import dataclass

from tminus.domain.report.log_line import Edge, Mark


@dataclass(frozen=True, slots=True)
class Said:
    """A log line without its place; see `LogLine` for the fields."""

    depth: int
    mark: Mark
    text: str
    duration_ms: int | None = None
    edge: Edge = Edge.NONE
