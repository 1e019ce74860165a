"""Notes of scheduled work, as lines."""

from tminus.domain.plan.times import format_duration, format_utc
from tminus.domain.readiness.upkeep import Begun, Deferred, Ended, Note, Removed


def note_text(note: Note) -> str:
    """A note in a line."""
    match note:
        case Begun():
            missed = f", {note.skipped} more skipped" if note.skipped else ""
            return f"{note.work} begins, due {format_utc(note.due_ms)}{missed}"
        case Ended(passed=True):
            took = format_duration(note.took_ms)
            return f"{note.work} done in {took}: {note.tables} tables, {note.rows} rows, {note.path}"
        case Ended():
            return f"{note.work} failed: {note.why} [{note.code}]"
        case Deferred():
            return f"{note.work} due {format_utc(note.due_ms)} is deferred: {note.why}"
        case Removed():
            return f"removed {note.path}: {note.why}"
