"""An nginx of somebody else's as router: the port's contract, and what only a real one can get wrong."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.dataplane.nginx import NginxHarness, needs_nginx
from tests.dataplane.plane import ask
from tminus.adapters.nginx.capabilities import CAPABILITIES
from tminus.adapters.nginx.router import NginxRouter
from tminus.domain.launch.slot import Slot
from tminus.domain.plan.route_class import RouteClass
from tminus.ports.fault import Refused, Unavailable
from tminus.testing.contract.router import BLUE, DrainContract, RouterHarness, passes_what_it_says, trial

pytestmark = [pytest.mark.integration, pytest.mark.slow]


@pytest.fixture
def real(tmp_path: Path) -> Iterator[NginxHarness]:
    needs_nginx()
    harness = NginxHarness(tmp_path)
    yield harness
    harness.close()


class TestNginx(DrainContract):
    @pytest.fixture
    def harness(self, real: NginxHarness) -> RouterHarness:
        return real


def test_it_can_do_what_it_says() -> None:
    passes_what_it_says(TestNginx, CAPABILITIES)


def test_an_nginx_that_is_started_again_comes_up_with_the_trial(real: NginxHarness) -> None:
    """What its capabilities deny: nobody tells it to forget."""
    real.router().host(real.hosting())
    for slot in Slot:
        real.router().admit_slot(slot)
    real.router().commit_route(BLUE)
    real.router().write_route(trial())
    real.restart_router()
    reading = real.router().read_router()
    assert (reading.route, reading.committed) == (trial(), BLUE)


def test_classes_are_counted_apart_by_the_first_claim(real: NginxHarness) -> None:
    classes = (RouteClass("login", ("/login",), ("POST",)), RouteClass("all", ("/",)))
    real.router().host(replace(real.hosting(), route_classes=classes))
    real.router().admit_slot(Slot.BLUE)
    real.router().commit_route(BLUE)
    ask(real.plane.port, "/login/x?y=1", "POST")
    ask(real.plane.port, "/login")
    ask(real.plane.port, "/", X_Tminus_Meter="1")
    real.settle(lambda: len(real.router().read_counters(1).classes) == 3)
    found = {entry.route_class: entry.counts.requests for entry in real.router().read_counters(1).classes}
    assert found == {"login": 1, "all": 1, "meter": 1}


def test_a_file_that_nginx_rejects_is_taken_back(real: NginxHarness) -> None:
    wrong = replace(real.hosting(), digest="sha256:w", addresses={Slot.BLUE: ("no-such-host.invalid:80",)})
    real.router().host(wrong)
    before = real.own.file.read_text(encoding="utf-8")
    with pytest.raises(Refused) as refusal:
        real.router().admit_slot(Slot.BLUE)
    assert refusal.value.code == "router-config-rejected"
    assert "no-such-host.invalid" in refusal.value.why
    assert real.own.file.read_text(encoding="utf-8") == before


def test_an_nginx_that_does_not_include_the_file_is_refused(real: NginxHarness, tmp_path: Path) -> None:
    real.router().host(real.hosting())
    lonely = tmp_path / "lonely"
    router = NginxRouter(lonely, tmp_path / "elsewhere.conf", real.own.command("-s", "reload"), ("true",))
    with pytest.raises(Refused) as refusal:
        router.host(real.hosting())
    assert refusal.value.code == "router-not-included"
    with pytest.raises(Unavailable) as fault:
        router.read_router()
    assert fault.value.code == "router-silent"


def test_without_its_log_nothing_is_counted(real: NginxHarness) -> None:
    real.router().host(real.hosting())
    (real.plane.directory / "nginx" / "access.log").unlink(missing_ok=True)
    with pytest.raises(Unavailable) as fault:
        real.router().read_counters(1)
    assert fault.value.code == "router-log-missing"
