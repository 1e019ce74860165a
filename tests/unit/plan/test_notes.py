"""What is allowed and may surprise."""

from tests.unit.plan.plans import loaded


def notes(more: str, base: str = "") -> list[tuple[str, str]]:
    result = loaded(more, base) if base else loaded(more)
    return [(note.code, note.where) for note in result.notes]


QUIET = "critical_paths: [{request: GET /}]\n"


def test_a_plan_without_surprises_has_no_notes() -> None:
    assert notes(QUIET) == []


def test_a_command_without_its_port_is_noted() -> None:
    base = "service: hello\nversion: 1.1.0\nrun: {command: ./serve}\n"
    assert notes(QUIET, base) == [("plan-port-not-named", "launch.yaml:3:16")]


def test_a_plan_without_critical_paths_is_noted() -> None:
    assert notes("") == [("plan-no-critical-paths", "launch.yaml:1:1")]


def test_a_tag_of_another_version_is_noted() -> None:
    assert notes(f"{QUIET}source: {{tag: v1.0.0}}\n") == [("plan-tag-differs", "launch.yaml:6:15")]


def test_a_class_that_is_almost_one_of_the_routes_is_noted() -> None:
    more = "routes: {payment: {paths: [/pay]}}\ncritical_paths: [{request: GET /x, class: payments}]\n"
    assert notes(more) == [("plan-similar-class", "launch.yaml:6:43")]


def test_a_launch_that_would_end_after_its_window_is_noted() -> None:
    more = f"{QUIET}t0: 2025-12-20T14:00Z\nwindow: {{from: T, to: T+11m}}\n"
    assert notes(more) == [("plan-window-short", "launch.yaml:7:23")]


def question(sql: str) -> str:
    return f'{QUIET}database: {{url: env:A, questions: {{declined: {{sql: "{sql}"}}}}}}\n'


LIMITED = "triggers: [{question: {declined: 1 %}}]\n"


def test_a_question_that_no_limit_names_is_noted() -> None:
    assert notes(question("select 0, 0 where '{slot}' > ''")) == [
        ("plan-question-unused", "launch.yaml:6:36")
    ]


def test_a_question_that_counts_both_versions_is_noted() -> None:
    assert notes(question("select 0, 0") + LIMITED) == [("plan-question-not-split", "launch.yaml:6:52")]


def test_a_question_of_the_candidate_with_a_limit_is_not_noted() -> None:
    assert notes(question("select 0, 0 where '{version}' > ''") + LIMITED) == []


def test_a_backup_that_may_delay_t_0_is_noted() -> None:
    more = "t0: 2025-12-20T14:00Z\ndatabase: {url: env:A, backups: {deadline: 31m}}\n"
    assert notes(QUIET + more) == [("plan-backup-late", "launch.yaml:7:44")]
