"""What must hold between the values of a plan, each rule a function. Must not type single values."""

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise

from tminus.domain.plan.limit import ALL_CLASSES
from tminus.domain.plan.plan import FULL_BP
from tminus.domain.plan.route_class import METER, OTHER
from tminus.domain.plan.times import format_duration, format_utc
from tminus.domain.problem import Problem
from tminus.plan.alert_rules import ALERT_RULES
from tminus.plan.breach import Breach, Rule
from tminus.plan.build import window_of
from tminus.plan.check_rules import CHECK_RULES
from tminus.plan.database_rules import DATABASE_RULES, SECRET_URL
from tminus.plan.image_rules import IMAGE_RULES
from tminus.plan.kinds import BP_PER_PERCENT
from tminus.plan.metric_rules import METRIC_RULES, limits_in
from tminus.plan.model import LaunchFile, RequestSection
from tminus.plan.parse import show_percent
from tminus.plan.router_section import mistakes_of
from tminus.plan.routes import drain_ms_of, fixed_part, route_table
from tminus.plan.scalar import nearest
from tminus.plan.statement import VARIABLE
from tminus.plan.tree import Path

RESERVED = {
    OTHER: "every request that no class claims",
    METER: "the loss meter's requests",
    ALL_CLASSES: "all classes together",
}
SECRET_NAME = re.compile(
    r"(?:^|_)(?:PASSWORD|PASSWD|SECRET|SECRET_KEY|PRIVATE_KEY|API_KEY|ACCESS_KEY)$", re.IGNORECASE
)


def breaches_in(file: LaunchFile, untyped: frozenset[str]) -> list[Breach]:
    """Every broken rule among those whose keys could be typed."""
    return [breach for rule in RULES if not rule.reads & untyped for breach in rule.check(file)]


def _shift(file: LaunchFile) -> Iterator[Breach]:
    steps = file.shift.steps
    for index, (before, after) in enumerate(pairwise(steps), start=1):
        if after <= before:
            what = (
                f"the shift goes from {_percent(before)} to {_percent(after)}, but every step must take more"
            )
            yield Breach(("shift", "steps", index), _bad_shift(what))
    if steps[-1] != FULL_BP:
        what = f"the last step of the shift is {_percent(steps[-1])}, so the launch would never end"
        yield Breach(("shift", "steps", len(steps) - 1), _bad_shift(what))
    if file.shift.each > file.shift.deadline:
        what = (
            f"a step lasts at least {format_duration(file.shift.each)}, "
            f"but its deadline is {format_duration(file.shift.deadline)}"
        )
        yield Breach(("shift",), Problem("plan-bad-shift", what, fix="raise `deadline` or lower `each`"))


def _bad_shift(what: str) -> Problem:
    return Problem("plan-bad-shift", what, fix="write rising shares that end with 100, such as [10, 50, 100]")


def _percent(parts: int) -> str:
    return show_percent(parts, BP_PER_PERCENT)


def _window(file: LaunchFile) -> Iterator[Breach]:
    if file.window is None:
        return
    if file.t0 is None and (file.window.opens.relative or file.window.closes.relative):
        what = "the window is relative to T-0, but `t0` is `now`: it would always be open"
        fix = "give `t0` a point in time, give the window points in time, or leave it out"
        yield Breach(("window",), Problem("plan-bad-window", what, fix=fix))
        return
    window = window_of(file)
    if window is None or window.opens_ms >= window.closes_ms:
        what = "the window closes before it opens"
        yield Breach(("window", "to"), Problem("plan-bad-window", what, fix="write `from` before `to`"))
    elif file.t0 is not None and not window.opens_ms <= file.t0 < window.closes_ms:
        opens, closes = format_utc(window.opens_ms), format_utc(window.closes_ms)
        problem = Problem(
            "plan-outside-window",
            f"T-0 ({format_utc(file.t0)}) lies outside the deployment window",
            why=f"the window is open from {opens} until before {closes}",
            fix="move `t0` into the window, or have the window changed",
        )
        yield Breach(("t0",), problem)


def _freezes(file: LaunchFile) -> Iterator[Breach]:
    for index, freeze in enumerate(file.freezes):
        opens, closes = format_utc(freeze.opens), format_utc(freeze.closes)
        if freeze.opens >= freeze.closes:
            what = "the freeze is over before it begins"
            problem = Problem("plan-bad-window", what, fix="write `from` before `to`")
            yield Breach(("freezes", index, "to"), problem)
        elif file.t0 is not None and freeze.opens <= file.t0 < freeze.closes:
            problem = Problem(
                "plan-in-freeze",
                f"T-0 ({format_utc(file.t0)}) lies in a freeze: {freeze.why}",
                why=f"nothing is launched from {opens} until {closes}",
                fix="move `t0` out of the freeze, or have the freeze changed",
            )
            yield Breach(("t0",), problem)


def _reserved_classes(file: LaunchFile) -> Iterator[Breach]:
    named: list[tuple[Path, str]] = [(("routes", name), name) for name in file.routes]
    named += [(path, request.route_class) for path, request in _requests(file) if request.route_class]
    for path, name in named:
        if name in RESERVED:
            what = f"`{name}` is a reserved class name: it stands for {RESERVED[name]}"
            at_key = path[0] == "routes"
            place = path if at_key else (*path, "class")
            yield Breach(place, Problem("plan-reserved-class", what, fix="take another name"), at_key)


def _claims(file: LaunchFile) -> Iterator[Breach]:
    table = route_table(file)
    for index, request in enumerate(file.critical_paths or []):
        method, path = request.request
        claiming = table.claiming(method, fixed_part(path))
        if request.route_class not in (None, *RESERVED, claiming):
            problem = Problem(
                "plan-class-mismatch",
                f"{method} {path} is of class `{request.route_class}`, but `{claiming}` claims it first",
                why="classes claim in the order of `routes`; those of critical paths alone come after them",
                fix=f"put a class `{request.route_class}` with this path before `{claiming}` in `routes`",
            )
            yield Breach(("critical_paths", index, "class"), problem)


def _limit_classes(file: LaunchFile) -> Iterator[Breach]:
    known = [each.name for each in route_table(file).classes if each.name not in RESERVED]
    places: list[tuple[Path, str]] = [(path, limit.route_class) for path, limit in limits_in(file)]
    places += [
        (("smoke", index), request.route_class)
        for index, request in enumerate(file.smoke or [])
        if request.route_class
    ]
    for path, name in places:
        if name in {ALL_CLASSES, OTHER, *known}:
            continue
        meant = nearest(name, known)
        classes = ", ".join(known) or "none"
        problem = Problem(
            "plan-unknown-class",
            f"there is no class `{name}`",
            why=f"the classes of this plan are: {classes}",
            fix=f"did you mean `{meant}`?"
            if meant
            else "name it in `routes`, or as `class` of a critical path",
        )
        yield Breach((*path, "class"), problem)


def _target_windows(file: LaunchFile) -> Iterator[Breach]:
    for index, target in enumerate(file.verify.targets or []):
        if "over" in target.model_fields_set and target.over > file.verify.length:
            what = (
                f"the target looks back {format_duration(target.over)}, "
                f"but verification lasts {format_duration(file.verify.length)}"
            )
            problem = Problem("plan-bad-limit", what, fix="raise `verify.for` or lower `over`")
            yield Breach(("verify", "targets", index, "over"), problem)


def _variables(file: LaunchFile) -> Iterator[Breach]:
    for suite, requests in (("critical_paths", file.critical_paths or []), ("smoke", file.smoke or [])):
        everywhere = {name for request in requests for name in request.capture}
        captured: set[str] = set()
        for index, request in enumerate(requests):
            for part, text in _templates(request):
                used = set(VARIABLE.findall(text))
                if part == "body":
                    used &= (
                        everywhere  # other languages write `{name}` too; only a captured name is surely ours
                    )
                for name in sorted(used - captured):
                    yield Breach((suite, index, part), _unknown_variable(name, captured, everywhere))
            captured |= set(request.capture)


def _templates(request: RequestSection) -> Iterator[tuple[str, str]]:
    yield "request", request.request[1]
    yield from (("headers", value) for value in request.headers.values())
    yield "json", request.json_body or ""
    yield "body", request.body or ""


def _unknown_variable(name: str, captured: set[str], everywhere: set[str]) -> Problem:
    meant = nearest(name, captured)
    fix = (
        f"did you mean `{{{meant}}}`?" if meant else f"add `capture: {{{name}: /...}}` to an earlier request"
    )
    why = "a later request captures it" if name in everywhere else ""
    return Problem(
        "plan-unknown-variable", f"`{{{name}}}` is not captured by an earlier request", why=why, fix=fix
    )


def _drains(file: LaunchFile) -> Iterator[Breach]:
    drain_ms = drain_ms_of(file)
    for name, route in file.routes.items():
        if route.drain is not None and route.drain > drain_ms:
            what = (
                f"requests of `{name}` may finish for {format_duration(route.drain)}, "
                f"but `drain` cuts everything after {format_duration(drain_ms)}"
            )
            problem = Problem("plan-drain-too-short", what, fix="raise `drain`, or leave it out")
            yield Breach(("routes", name, "drain"), problem)


def _env(file: LaunchFile) -> Iterator[Breach]:
    yield from _env_of(("run", "env"), file.run.env, ("run", "secrets"), file.run.secrets)
    smoke = (("build", "smoke_env"), file.build.smoke_env, ("build", "smoke_secrets"))
    yield from _env_of(*smoke, file.build.smoke_secrets)


def _env_of(
    plain: tuple[str, str], env: Mapping[str, str], secret: tuple[str, str], secrets: Mapping[str, object]
) -> Iterator[Breach]:
    for name, value in env.items():
        path = (*plain, name)
        if name in secrets:
            what = f"`{name}` stands in `{'.'.join(plain)}` and in `{'.'.join(secret)}`"
            yield Breach(path, Problem("plan-env-conflict", what, fix="keep one of the two"), at_key=True)
        elif value and (SECRET_NAME.search(name) or SECRET_URL.search(value)):
            problem = Problem(
                "plan-secret-not-reference",
                f"`{name}` in `{'.'.join(plain)}` looks like a secret",
                why="a plan is read by many and kept for ever; it holds references to secrets, never values",
                fix=f"move it: `{secret[0]}: {{{secret[1]}: {{{name}: env:{name}}}}}`, "
                "or file:PATH or command:LINE",
            )
            yield Breach(path, problem, at_key=True)
    for part, names in ((plain, env), (secret, secrets)):
        if "PORT" in names:
            problem = Problem("plan-env-conflict", "PORT is set by tminus, to a free port", fix="remove it")
            yield Breach((*part, "PORT"), problem, at_key=True)


def _requests(file: LaunchFile) -> Iterator[tuple[Path, RequestSection]]:
    for index, request in enumerate(file.critical_paths or []):
        yield ("critical_paths", index), request
    for index, request in enumerate(file.smoke or []):
        yield ("smoke", index), request


def _router(file: LaunchFile) -> Iterator[Breach]:
    for key, what, fix in mistakes_of(file.router):
        yield Breach(("router", key), Problem("plan-router-settings", what, fix=fix), at_key=True)


RULES = (
    Rule(_shift, frozenset({"shift"})),
    Rule(_window, frozenset({"window", "t0"})),
    Rule(_freezes, frozenset({"freezes", "t0"})),
    Rule(_reserved_classes, frozenset({"routes", "critical_paths", "smoke"})),
    Rule(_claims, frozenset({"routes", "critical_paths", "drain"})),
    Rule(
        _limit_classes,
        frozenset({"routes", "critical_paths", "smoke", "drain", "triggers", "verify", "alerts"}),
    ),
    Rule(_target_windows, frozenset({"verify"})),
    Rule(_variables, frozenset({"critical_paths", "smoke"})),
    Rule(_drains, frozenset({"routes", "drain"})),
    Rule(_env, frozenset({"run", "build"})),
    *DATABASE_RULES,
    *IMAGE_RULES,
    *ALERT_RULES,
    *METRIC_RULES,
    Rule(_router, frozenset({"router"})),
    *CHECK_RULES,
)
