"""The router that a plan chooses: its settings, and what it is refused for with line and column."""

from pathlib import Path

import pytest

from tests.unit.plan.plans import plan_with
from tminus.cli.routers import LACKS, ROUTERS, load_fitting, lost_with
from tminus.domain.plan.router import RouterChoice, RouterName
from tminus.domain.problem import ProblemError
from tminus.ports.router import RouterCapabilities

PLAN = "service: shop\nversion: 1.0.0\nrun: {command: serve --port {port}}\n"


def said(more: str, folder: Path) -> list[str]:
    file = folder / "launch.yaml"
    file.write_text(PLAN.replace("serve --port {port}", "'serve --port {port}'") + more, encoding="utf-8")
    with pytest.raises(ProblemError) as error:
        load_fitting(file)
    return [problem.text().replace(f"{folder}/", "") for problem in error.value.problems]


def test_the_router_is_haproxy_unless_the_plan_says_otherwise() -> None:
    assert plan_with("").router == RouterChoice(RouterName.HAPROXY)
    assert plan_with("router: traefik\n").router == RouterChoice(RouterName.TRAEFIK)


def test_an_nginx_of_somebody_elses_is_reloaded_as_they_say() -> None:
    chosen = plan_with("router: {name: nginx, file: /etc/nginx/t.conf, reload: systemctl reload nginx}\n")
    assert chosen.router == RouterChoice(
        RouterName.NGINX, "/etc/nginx/t.conf", ("systemctl", "reload", "nginx"), ("nginx", "-t")
    )


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (
            "router: nginx\n",
            (
                "error[plan-router-settings]: `router` is an nginx of yours, and does not say which file it "
                "includes\n  where: launch.yaml:4:9\n"
                "    fix: add `file: /etc/nginx/tminus/NAME.conf`, and include that in nginx"
            ),
        ),
        (
            "router: {name: nginx, file: t.conf}\n",
            (
                "error[plan-router-settings]: `t.conf` is relative to nobody knows where\n"
                "  where: launch.yaml:4:23\n    fix: write an absolute path"
            ),
        ),
        (
            "router: {name: traefik, reload: x}\n",
            (
                "error[plan-router-settings]: `router.reload` is for an nginx of yours, and the router is "
                "traefik\n  where: launch.yaml:4:25\n    fix: remove `reload`, or write `name: nginx`"
            ),
        ),
    ],
)
def test_settings_that_do_not_fit_the_router_are_refused(more: str, text: str, tmp_path: Path) -> None:
    assert said(more, tmp_path) == [text]


def test_what_the_router_cannot_do_is_refused_where_the_plan_asks_for_it(tmp_path: Path) -> None:
    more = "lease: {shift: 2s}\nassets: [/static]\nrouter: traefik\n"
    assets, lease = said(more, tmp_path)
    assert assets == (
        "error[plan-exceeds-router]: the router traefik cannot look for a static file in both slots\n"
        "  where: launch.yaml:5:9\n"
        "    fix: remove `assets` and serve them from one place, or take a router that can"
    )
    assert lease == (
        "error[plan-exceeds-router]: the router traefik cannot leave the candidate by itself when its "
        "controller falls silent\n"
        "  where: launch.yaml:4:8\n"
        "    fix: write `lease: off`, and keep the agent under supervision"
    )


def test_what_a_default_asks_for_is_refused_at_the_router(tmp_path: Path) -> None:
    (text,) = said("router: traefik\n", tmp_path)
    assert "  where: launch.yaml:4:9\n" in text


def test_a_class_that_drains_before_the_others_needs_a_router_that_tells_it_apart(tmp_path: Path) -> None:
    more = "router: traefik\nlease: off\nroutes: {export: {paths: [/export], drain: 5s}}\n"
    (text,) = said(more, tmp_path)
    assert text == (
        "error[plan-exceeds-router]: the router traefik cannot end requests of export before the others, but "
        "they have a drain of their own\n"
        "  where: launch.yaml:6:44\n"
        "    fix: remove that `drain`, or raise the plan's to it"
    )


def test_every_capability_has_a_word_for_its_lack() -> None:
    names = set(RouterCapabilities.__dataclass_fields__) - {"name", "notes"}
    assert set(LACKS) == names
    assert lost_with(ROUTERS["haproxy"]) == ()
    lost = ("a breaker", "a lease", "a drain per class", "files of both versions")
    assert lost_with(ROUTERS["traefik"]) == lost
