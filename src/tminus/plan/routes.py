"""Route classes of a plan: those it names, and what its critical paths add. Must not report mistakes."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from tminus.domain.plan.plan import Plan
from tminus.domain.plan.route_class import RouteClass
from tminus.plan.choice import Choice
from tminus.plan.model import LaunchFile, RequestSection
from tminus.plan.section import default_of


@dataclass(frozen=True, slots=True)
class RouteTable:
    """Classes in the order in which they claim, and what was added to those that the plan names."""

    classes: tuple[RouteClass, ...]
    choices: tuple[Choice, ...]

    def claiming(self, method: str, path: str) -> str:
        """Name of the class that claims a request, or nothing."""
        return next((each.name for each in self.classes if claims(each, method, path)), "")


def claims(route_class: RouteClass, method: str, path: str) -> bool:
    """Whether the class would claim the request if it were asked first."""
    return (not route_class.methods or method in route_class.methods) and any(
        covers(prefix, path) for prefix in route_class.paths
    )


def covers(prefix: str, path: str) -> bool:
    """Whether a path prefix of whole segments covers a path."""
    return path == prefix or path.startswith(prefix.rstrip("/") + "/")


def fixed_part(path: str) -> str:
    """The path without its query, up to the first segment that holds a variable."""
    path = path.partition("?")[0]
    if "{" not in path:
        return path
    return path[: path.index("{")].rpartition("/")[0] or "/"


def drain_ms_of(file: LaunchFile) -> int:
    """The plan's drain deadline: as given, else long enough for every class."""
    own = [route.drain for route in file.routes.values() if route.drain is not None]
    return file.drain or max([default_of(Plan, "drain_deadline_ms"), *own])


def route_table(file: LaunchFile) -> RouteTable:
    """The classes of the plan, those it names first, then those that only critical paths name.

    Of the latter, classes with longer paths claim first, so that `/` does not swallow the others.
    """
    drain_ms = drain_ms_of(file)
    classes = {
        name: RouteClass(
            name,
            tuple(route.paths),
            tuple(route.methods),
            route.traffic,
            drain_ms if route.drain is None else route.drain,
        )
        for name, route in file.routes.items()
    }
    choices = []
    for request in file.critical_paths or []:
        name, (method, path) = request.route_class, request.request
        prefix = fixed_part(path)
        if name is None or any(
            claims(each, method, prefix) for each in classes.values() if each.name == name
        ):
            continue
        if name in file.routes and RouteTable(tuple(classes.values()), ()).claiming(method, prefix):
            continue  # another class of the plan claims it: a mistake that the rules report
        classes[name] = _extended(classes.get(name), name, method, prefix, drain_ms)
        choices.append(Choice(f"routes.{name}", f"{method} {prefix}", f"critical path {label(request)!r}"))
    named = [classes[name] for name in file.routes]
    derived = [each for name, each in classes.items() if name not in file.routes]
    return RouteTable((*named, *sorted(derived, key=_breadth)), tuple(choices))


def label(request: RequestSection) -> str:
    """How a request is called in the log."""
    return request.name or " ".join(request.request)


def _extended(old: RouteClass | None, name: str, method: str, prefix: str, drain_ms: int) -> RouteClass:
    if old is None:
        return RouteClass(name, (prefix,), (method,), drain_ms=drain_ms)
    methods = old.methods and _once((*old.methods, method))
    return replace(old, paths=_once((*old.paths, prefix)), methods=methods)


def _once(items: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))


def _breadth(route_class: RouteClass) -> int:
    return -min(len([part for part in path.split("/") if part]) for path in route_class.paths)
