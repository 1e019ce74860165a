"""Reads policy.yaml into a policy, or says everything that is wrong with it at once."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError

from tminus.domain.problem import Problem, ProblemError
from tminus.domain.readiness.policy import Person, Policy, Seat
from tminus.plan.policy_model import PolicyFile
from tminus.plan.scalar import kind_of, nearest
from tminus.plan.section import Section
from tminus.plan.shape import fields_of
from tminus.plan.tree import Path, Source, parse_tree, read_tree

LEAST_OVERRIDERS = 2


def load_policy(path: FilePath) -> Policy:
    """The policy in the file at `path`.

    Raises:
        ProblemError: every mistake, in the order of the file, or why it cannot be read.
    """
    if not path.is_file():
        fix = "write one, as docs/reference/policy.md shows, or set `poll: off`"
        raise ProblemError(Problem("policy-not-found", f"{path} does not exist", str(path), fix=fix))
    return _load(lambda: read_tree(path))


def load_policy_text(text: str, name: str = "policy.yaml") -> Policy:
    """As `load_policy`, for the content of a file called `name`."""
    return _load(lambda: parse_tree(text, name))


def _load(read: Callable[[], Source]) -> Policy:
    try:
        source = read()
    except ProblemError as error:
        raise ProblemError(*(_as_policy(each) for each in error.problems)) from None
    problems = [_as_policy(each) for each in source.problems]
    try:
        file = PolicyFile.model_validate(source.tree)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_input=True)
        raise ProblemError(
            *_in_order([*problems, *(_mistake(dict(each), source) for each in errors)])
        ) from None
    problems += [_placed(source, *each) for each in _breaches(file)]
    if problems:
        raise ProblemError(*_in_order(problems))
    return _policy(file)


def _policy(file: PolicyFile) -> Policy:
    people = tuple(Person(name, tuple(each.keys)) for name, each in file.people.items())
    seats = tuple(
        Seat(name, each.holder or "", tuple(each.delegates), tuple(each.machine))
        for name, each in file.seats.items()
    )
    return Policy(
        people=people,
        seats=seats,
        in_order=file.in_order,
        valid_for_ms=file.expires,
        override=tuple(file.override),
        waive=tuple(file.waive),
        signers=tuple(file.signers.people),
        required=file.signers.required,
        escalate_to=file.escalate_to,
    )


Breach = tuple[Path, str, str, str]
"""Path, code, what, fix."""


def _breaches(file: PolicyFile) -> Iterator[Breach]:
    yield from _keys(file)
    yield from _strangers(file)
    held: dict[str, str] = {}
    for name, seat in file.seats.items():
        path: Path = ("seats", name)
        if (seat.holder is None) is not bool(seat.machine):
            which = "a holder and a machine" if seat.machine else "neither a holder nor a machine"
            yield path, "policy-bad-seat", f"the seat {name} has {which}", "give one of the two"
        elif seat.machine and seat.delegates:
            yield path, "policy-bad-seat", f"nobody stands in for the machine of {name}", "remove `delegates`"
        elif seat.holder in held:
            what = f"{seat.holder} holds {held[seat.holder]} and {name}; nobody votes for two seats"
            yield (*path, "holder"), "policy-two-seats", what, "name somebody else"
        elif seat.holder is not None:
            held[seat.holder] = name
    if 0 < len(set(file.override)) < LEAST_OVERRIDERS:
        what = "one person alone cannot override"
        yield ("override",), "policy-bad-override", what, "name two or more, or nobody"
    if file.signers.required > len(set(file.signers.people)):
        what = f"{file.signers.required} must sign, and there are {len(set(file.signers.people))} signers"
        yield ("signers", "required"), "policy-bad-signers", what, "name more people, or require fewer"


def _keys(file: PolicyFile) -> Iterator[Breach]:
    owners: dict[str, str] = {}
    for name, person in file.people.items():
        for index, key in enumerate(person.keys):
            owner = owners.setdefault(key, name)
            if owner != name:
                path: Path = ("people", name, "keys", index)
                what = f"{owner} and {name} have the same key, so that nobody could tell who has signed"
                yield path, "policy-shared-key", what, "give each a key of their own"


def _strangers(file: PolicyFile) -> Iterator[Breach]:
    """Names of people who are not described."""
    lists: dict[Path, list[str]] = {
        ("override",): file.override,
        ("waive",): file.waive,
        ("signers", "people"): file.signers.people,
        **{("seats", name, "delegates"): each.delegates for name, each in file.seats.items()},
    }
    named = [((*path, index), name) for path, names in lists.items() for index, name in enumerate(names)]
    named += [(("seats", name, "holder"), each.holder) for name, each in file.seats.items() if each.holder]
    for path, name in named:
        if name not in file.people:
            meant = nearest(name, file.people)
            fix = f"did you mean {meant}?" if meant else "describe them below `people`, with a key"
            yield path, "policy-stranger", f"{name} is not one of `people`", fix


def _placed(source: Source, path: Path, code: str, what: str, fix: str) -> Problem:
    return Problem(code, what, source.where(source.mark(path)), fix=fix)


def _mistake(error: Mapping[str, Any], source: Source) -> Problem:
    """One of pydantic's errors with its position."""
    path: Path = tuple(part for part in error["loc"] if part != "[key]")
    ctx, kind, name = error.get("ctx", {}), error["type"], _dotted(path)
    if "fix" in ctx:
        code = kind if kind.startswith("policy-") else _code(kind)
        is_key = error["loc"][-1:] == ("[key]",)
        where = source.where(source.mark(path, key=is_key))
        return Problem(code, f"`{name}`{ctx['what']}", where, fix=ctx["fix"])
    where = source.where(source.mark(path, key=True))
    if kind == "extra_forbidden":
        keys = fields_of(_section_at(path[:-1]))
        meant = nearest(str(path[-1]), keys)
        fix = f"did you mean `{meant}`?" if meant else f"its keys are {', '.join(keys)}"
        return Problem("policy-unknown-key", f"`{name}` is not a key of a policy", where, fix=fix)
    if kind == "missing":
        where = source.where(source.mark(path[:-1], key=True))
        return Problem("policy-missing-key", f"the policy has no `{name}`", where, fix=f"add `{path[-1]}`")
    if kind == "too_short":
        return Problem(
            "policy-bad-value", f"`{name}` names nobody and nothing", where, fix="name at least one"
        )
    given = kind_of(error["input"])
    expected = "a list" if kind == "list_type" else "a mapping of keys and values"
    return Problem("policy-bad-value", f"`{name}` is {given}; {expected} is expected", where)


def _section_at(path: Path) -> type[Section]:
    """Sections of a policy stand at its top, one level below free names, or below `signers`."""
    if not path:
        return PolicyFile
    field = PolicyFile.model_fields[str(path[0])]
    hints = [field.annotation, *getattr(field.annotation, "__args__", ())]
    found = [hint for hint in hints if isinstance(hint, type) and issubclass(hint, Section)]
    return found[-1] if found else PolicyFile


def _dotted(path: Path) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "the policy"


def _code(code: str) -> str:
    """The plan's codes of what is wrong with a file as YAML, as those of a policy."""
    return code.replace("plan-", "policy-", 1)


def _as_policy(problem: Problem) -> Problem:
    return replace(problem, code=_code(problem.code), fix=problem.fix.replace("plan", "policy"))


def _in_order(problems: list[Problem]) -> list[Problem]:
    def position(problem: Problem) -> tuple[int, ...]:
        parts = problem.where.rsplit(":", 2)[1:]
        return tuple(int(part) for part in parts if part.isdigit())

    return sorted(problems, key=position)
