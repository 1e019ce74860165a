"""What must hold between the values of `database`, and in commands. Must not type single values."""

import re
from collections.abc import Iterable, Iterator

from tminus.domain.plan.times import SECOND_MS, format_duration
from tminus.domain.problem import Problem
from tminus.domain.watch.judge import STALE_MS
from tminus.plan.breach import Breach, Rule
from tminus.plan.database_section import QuestionSection
from tminus.plan.mistake import dotted
from tminus.plan.model import LaunchFile
from tminus.plan.scalar import nearest
from tminus.plan.statement import VARIABLE
from tminus.plan.tree import Path

SECRET_URL = re.compile(r"://[^/\s:@]*:[^/\s@]+@")
LEAST_RPO_MS = 2 * SECOND_MS
CANDIDATE = ("slot", "version")  # what a question's query may name in braces


def _backups(file: LaunchFile) -> Iterator[Breach]:
    if file.database is None:
        return
    backups = file.database.backups
    if backups.keep < backups.every:
        what = (
            f"backups are kept for {format_duration(backups.keep)}, "
            f"but taken only every {format_duration(backups.every)}"
        )
        why = "between two backups there would be none"
        problem = Problem("plan-bad-backups", what, why=why, fix="raise `keep` or lower `every`")
        given = "keep" if "keep" in backups.model_fields_set else "every"
        yield Breach(("database", "backups", given), problem)


def _rpo(file: LaunchFile) -> Iterator[Breach]:
    rpo = None if file.database is None else file.database.backups.rpo
    if rpo is not None and rpo < LEAST_RPO_MS:
        what = f"nothing can promise that at most {format_duration(rpo)} are lost"
        why = f"what is held is measured every half second, so {format_duration(LEAST_RPO_MS)} is the least"
        problem = Problem("plan-bad-backups", what, why=why, fix="raise `rpo`, or have the server replicate")
        yield Breach(("database", "backups", "rpo"), problem)


def _once_named(file: LaunchFile) -> Iterator[Breach]:
    before = [each.name for each in file.run.before]
    integrity = [] if file.database is None else [each.name for each in file.database.integrity or []]
    yield from _repeated(("run", "before"), before, "command")
    yield from _repeated(("database", "integrity"), integrity, "query")


def _repeated(path: Path, names: list[str], noun: str) -> Iterator[Breach]:
    for index, name in enumerate(names):
        first = names.index(name)
        if first < index:
            what = f"an earlier {noun} is called {name!r} too"
            why = "the log tells them apart by their names"
            problem = Problem("plan-duplicate-name", what, why=why, fix="take another name")
            yield Breach((*path, index, "name"), problem)


def _known_questions(file: LaunchFile) -> Iterator[Breach]:
    known = [] if file.database is None else list(file.database.questions)
    places: list[tuple[Path, str]] = []
    for index, trigger in enumerate(file.triggers or []):
        places += [(("triggers", index, "question", name), name) for name in trigger.question or {}]
    for index, target in enumerate(file.verify.targets or []):
        places += [(("verify", "targets", index, "question", name), name) for name in target.question or {}]
    for index, alert in enumerate(file.alerts or []):
        places += [(("alerts", index, "question", name), name) for name in alert.question or {}]
    for path, name in places:
        if name in known:
            continue
        meant = nearest(name, known)
        problem = Problem(
            "plan-unknown-question",
            f"there is no question `{name}`",
            why=f"the questions of this plan are: {', '.join(known) or 'none'}",
            fix=f"did you mean `{meant}`?" if meant else f"write its query: `database.questions.{name}.sql`",
        )
        yield Breach(path, problem, at_key=True)


def _fresh_answers(file: LaunchFile) -> Iterator[Breach]:
    for name, question in _questions(file):
        if question.every + question.within > STALE_MS:
            what = (
                f"an answer to `{name}` may be "
                f"{format_duration(question.every + question.within)} old before the next one is there"
            )
            why = f"an answer older than {format_duration(STALE_MS)} is no evidence, so nothing would pass"
            problem = Problem("plan-bad-question", what, why=why, fix="lower `every` or `within`")
            given = "every" if "every" in question.model_fields_set else "within"
            yield Breach(("database", "questions", name, given), problem)


def _variables(file: LaunchFile) -> Iterator[Breach]:
    for name, question in _questions(file):
        # Other braces are a database's own, as in '{1,2}'; only what is almost a variable is surely a slip.
        for used in sorted(set(VARIABLE.findall(question.sql)) - set(CANDIDATE)):
            if meant := nearest(used, CANDIDATE):
                what = f"`{{{used}}}` is nothing that a question knows"
                problem = Problem("plan-unknown-variable", what, fix=f"did you mean `{{{meant}}}`?")
                yield Breach(("database", "questions", name, "sql"), problem)
    checks = [] if file.database is None else file.database.integrity or []
    for index, check in enumerate(checks):
        for used in sorted(set(VARIABLE.findall(check.sql)) & set(CANDIDATE)):
            what = f"`{{{used}}}` is replaced in questions, not in integrity queries"
            why = "integrity is that of the whole database, whoever wrote into it"
            problem = Problem("plan-unknown-variable", what, why=why, fix="write the query without it")
            yield Breach(("database", "integrity", index, "sql"), problem)


def _no_secret_inside(file: LaunchFile) -> Iterator[Breach]:
    for path, words in _texts(file):
        if any(SECRET_URL.search(word) for word in words):
            problem = Problem(
                "plan-secret-not-reference",
                f"`{dotted(path)}` holds an address with a password",
                why="a plan is read by many and kept for ever; it holds references to secrets, never values",
                fix="let the program read DATABASE_URL, or a variable of `run.secrets`, from its environment",
            )
            yield Breach(path, problem, at_key=True)


def _texts(file: LaunchFile) -> Iterator[tuple[Path, Iterable[str]]]:
    yield ("build", "command"), file.build.command
    yield ("run", "command"), file.run.command
    if file.build.docker is not None:
        yield ("build", "docker", "smoke"), file.build.docker.smoke
        yield from (
            (("build", "docker", "args", name), (value,)) for name, value in file.build.docker.args.items()
        )
    for name, worker in file.run.workers.items():
        yield ("run", "workers", name, "command"), worker.command
    for index, one_off in enumerate(file.run.before):
        yield ("run", "before", index, "command"), one_off.command
    if file.database is None:
        return
    yield ("database", "migrations", "expand"), file.database.migrations.expand
    yield ("database", "migrations", "contract"), file.database.migrations.contract
    for index, check in enumerate(file.database.integrity or []):
        yield ("database", "integrity", index, "sql"), (check.sql,)
    for name, question in _questions(file):
        yield ("database", "questions", name, "sql"), (question.sql,)


def _questions(file: LaunchFile) -> Iterable[tuple[str, QuestionSection]]:
    return () if file.database is None else file.database.questions.items()


DATABASE_RULES = (
    Rule(_backups, frozenset({"database"})),
    Rule(_rpo, frozenset({"database"})),
    Rule(_once_named, frozenset({"run", "database"})),
    Rule(_known_questions, frozenset({"database", "triggers", "verify", "alerts"})),
    Rule(_fresh_answers, frozenset({"database"})),
    Rule(_variables, frozenset({"database"})),
    Rule(_no_secret_inside, frozenset({"build", "run", "database"})),
)
