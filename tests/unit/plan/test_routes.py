"""Which class claims which request."""

import pytest

from tests.unit.plan.plans import plan_with
from tminus.domain.plan.route_class import RouteClass
from tminus.plan.routes import covers, fixed_part


@pytest.mark.parametrize(
    ("prefix", "path", "covered"),
    [
        ("/pay", "/pay", True),
        ("/pay", "/pay/x", True),
        ("/pay", "/payroll", False),
        ("/pay/", "/pay/x", True),
        ("/", "/anything", True),
    ],
)
def test_a_prefix_covers_whole_segments(prefix: str, path: str, *, covered: bool) -> None:
    assert covers(prefix, path) is covered


@pytest.mark.parametrize(
    ("path", "fixed"),
    [("/a/b?c=d", "/a/b"), ("/orders/{id}/items", "/orders"), ("/{id}", "/"), ("/a/x{id}", "/a")],
)
def test_a_route_ends_before_the_first_variable(path: str, fixed: str) -> None:
    assert fixed_part(path) == fixed


def test_critical_paths_name_classes_that_claim_them() -> None:
    plan = plan_with(
        "critical_paths:\n"
        "  - {request: GET /, class: home}\n"
        "  - {request: POST /auth/login, class: login}\n"
        "  - {request: POST /auth/register, class: login}\n"
        "  - {request: DELETE /auth/login, class: login}\n"
        "  - {request: GET /search}\n"
    )
    assert plan.route_classes == (
        RouteClass("login", ("/auth/login", "/auth/register"), ("POST", "DELETE")),
        RouteClass("home", ("/",), ("GET",)),
    )


def test_a_class_that_claims_its_critical_path_already_stays_as_it_is() -> None:
    plan = plan_with(
        "routes: {login: {paths: [/auth]}}\ncritical_paths: [{request: POST /auth/login, class: login}]\n"
    )
    assert plan.route_classes == (RouteClass("login", ("/auth",)),)


def test_a_class_of_the_plan_grows_by_its_critical_path() -> None:
    plan = plan_with(
        "routes: {login: {paths: [/auth/login], methods: [POST]}}\n"
        "critical_paths: [{request: GET /session, class: login}]\n"
    )
    assert plan.route_classes == (RouteClass("login", ("/auth/login", "/session"), ("POST", "GET")),)
