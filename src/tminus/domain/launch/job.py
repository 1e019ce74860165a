"""What the answers of jobs mean. Must not start any."""

SUITES = frozenset(
    {
        "artifact-smoke",
        "smoke",
        "critical-paths",
        "smoke-stable",
        "resources",
        "warm",
        "integrity",
        "restore-test",
    }
)
"""Keys of jobs that must answer that what they asked passed; any other has done its work by ending well."""

LASTING = frozenset({"sampler", "measure"})
"""Keys of jobs that measure until the watch is over; one that is lost before is started again."""


def is_check(key: str) -> bool:
    """Whether it is the key of a job that asks checks: `check`, and `check-2` after that one has ended."""
    return key == "check" or key.startswith("check-")
