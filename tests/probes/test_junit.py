import pytest

from tests.probes.repository import HOUR_MS, Repository, ask, made, now_ms, said
from tminus.adapters.report.junit import junit_summary
from tminus.domain.plan.times import Millis, format_utc
from tminus.domain.readiness.answer import Answer
from tminus.domain.readiness.verdict import Outcome
from tminus.probes.junit import JUNIT, JunitSettings

pytestmark = pytest.mark.req("R17")

FINE = '<testcase classname="shop.cart" name="adds"/>'
BAD = '<testcase classname="shop.cart" name="pays"><failure message="no">AssertionError</failure></testcase>'
BROKEN = '<testcase name="sets up"><error/></testcase>'
SKIPPED = '<testcase name="later"><skipped message="not now"/></testcase>'
FLAKY = '<testcase name="shaky"><flakyFailure>once</flakyFailure></testcase>'
AGAIN = '<testcase name="worse"><failure/><rerunFailure/></testcase>'


def suite(*cases: str, more: str = "") -> str:
    inner = "".join(cases)
    return f'<?xml version="1.0"?><testsuites><testsuite name="s" {more}>{inner}</testsuite></testsuites>'


def judge(repository: Repository, *reports: str, **settings: object) -> Answer:
    for number, report in enumerate(reports):
        repository.write(f"reports/{number}.xml", report)
    asked = made(JunitSettings, ("reports/*.xml",), **settings)
    return ask(JUNIT, asked, repository.around())


def test_tests_of_several_reports_that_ran_and_passed_are_a_pass(repository: Repository) -> None:
    answer = judge(repository, suite(FINE, FINE), suite(FINE))
    assert said(answer) == (Outcome.PASS, "3 tests ran and passed, 0 skipped")
    assert {"tests": 3, "failed": 0, "reports": 2}.items() <= dict(answer.facts).items()


@pytest.mark.parametrize(
    ("report", "settings", "outcome", "why"),
    [
        (suite(FINE, BAD), {}, Outcome.FAIL, "1 of 2 tests failed"),
        (suite(FINE, BROKEN, AGAIN), {}, Outcome.FAIL, "2 of 3 tests failed"),
        (suite(), {}, Outcome.FAIL, "0 tests ran, at least 1 must"),
        (suite(SKIPPED), {"most_skipped": 1}, Outcome.FAIL, "0 tests ran, at least 1 must"),
        (suite(FINE, SKIPPED), {}, Outcome.FAIL, "1 test was skipped, at most 0 may be"),
        (suite(FINE, SKIPPED), {"most_skipped": 1}, Outcome.PASS, "1 test ran and passed, 1 skipped"),
        (suite(FINE, FLAKY), {}, Outcome.FAIL, "1 test passed only when repeated, at most 0 may"),
        (suite(FINE, FLAKY), {"most_flaky": 1}, Outcome.PASS, "2 tests ran and passed, 0 skipped"),
        (suite(FINE), {"least_tests": 2}, Outcome.FAIL, "1 test ran, at least 2 must"),
        (suite(FINE, more='tests="9"'), {}, Outcome.INCONCLUSIVE, "the reports claim 9 tests and list 1"),
        (suite(FINE, more='tests="1" errors="2"'), {}, Outcome.FAIL, "2 of 1 test failed"),
        (suite(FINE, "<error/>"), {}, Outcome.FAIL, "1 of 1 test failed"),
        (
            "<html/>",
            {},
            Outcome.INCONCLUSIVE,
            "reports/0.xml: its outermost element is html: no JUnit report",
        ),
        ("<testsuites>", {}, Outcome.INCONCLUSIVE, "reports/0.xml: its 12 bytes are not XML"),
        ("", {}, Outcome.INCONCLUSIVE, "reports/0.xml: it is empty"),
    ],
)
def test_what_stands_in_a_report_decides(
    repository: Repository, report: str, settings: dict[str, int], outcome: Outcome, why: str
) -> None:
    assert said(judge(repository, report, **settings)) == (outcome, why)


def test_a_report_that_is_not_there_says_nothing(repository: Repository) -> None:
    assert said(judge(repository)) == (Outcome.INCONCLUSIVE, "there is no reports/*.xml")


def test_one_report_that_cannot_be_read_spoils_the_others(repository: Repository) -> None:
    answer = judge(repository, suite(FINE), "<testsuites>")
    assert said(answer) == (Outcome.INCONCLUSIVE, "reports/1.xml: its 12 bytes are not XML")


def test_a_report_that_is_older_than_the_commit_says_nothing_about_it(repository: Repository) -> None:
    old_ms = now_ms() - 2 * HOUR_MS
    repository.write("report.xml", suite(FINE), age_ms=2 * HOUR_MS)
    answer = ask(JUNIT, JunitSettings(("report.xml",)), repository.around())
    assert answer.outcome is Outcome.INCONCLUSIVE
    assert answer.why.startswith(f"report.xml is of {format_utc(old_ms)[:13]}")


def test_a_file_that_was_written_anew_is_as_old_as_the_report_says(repository: Repository) -> None:
    told = "2020-01-01T00:00:00+00:00"
    answer = judge(repository, suite(FINE, more=f'timestamp="{told}"'))
    assert answer.why.startswith("reports/0.xml is of 2020-01-01 00:00:00 UTC, and the commit of")


def test_a_time_without_a_zone_is_taken_as_late_as_it_can_be_meant(repository: Repository) -> None:
    answer = judge(repository, suite(FINE, more='timestamp="2020-01-01T00:00:00"'))
    assert answer.why.startswith("reports/0.xml is of 2020-01-01 12:00:00 UTC")


def test_a_report_of_a_time_to_come_says_nothing(repository: Repository) -> None:
    answer = judge(repository, suite(FINE, more='timestamp="2999-01-01T00:00:00Z"'))
    assert said(answer) == (
        Outcome.INCONCLUSIVE,
        "reports/0.xml is of 2999-01-01 00:00:00 UTC, which is to come",
    )


def test_without_a_commit_the_plan_says_how_old_a_report_may_be(repository: Repository) -> None:
    repository.write("report.xml", suite(FINE), age_ms=HOUR_MS)
    unknown = repository.around(commit="")
    answers = [
        ask(JUNIT, JunitSettings(("report.xml",), oldest=oldest), unknown)
        for oldest in (Millis(0), Millis(HOUR_MS // 2), Millis(2 * HOUR_MS))
    ]
    assert [each.outcome for each in answers] == [Outcome.INCONCLUSIVE, Outcome.INCONCLUSIVE, Outcome.PASS]
    assert answers[1].why.endswith("old, limit 30m")


def test_settings_that_ask_for_no_test_are_refused() -> None:
    with pytest.raises(ValueError, match="least_tests is at least 1"):
        JunitSettings(("report.xml",), least_tests=0)
    with pytest.raises(ValueError, match="no file is named"):
        JunitSettings(())


def test_names_of_failed_cases_are_kept_without_what_could_steer_a_terminal() -> None:
    summary = junit_summary(suite('<testcase name="a&#9;b"><failure/></testcase>').encode())
    assert summary["names"] == ["a b"]
