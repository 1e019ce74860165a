"""The probes that look at machines and names: ports, dns and resources, against this one."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.probes.asked import ask, fact, told
from tminus.adapters.network.scan import Seen, scan
from tminus.ports.probes import Target
from tminus.probes.dns import DNS, DnsSettings
from tminus.probes.ports import PORTS, PortsSettings
from tminus.probes.resources import RESOURCES, ResourcesSettings

pytestmark = [pytest.mark.integration, pytest.mark.req("R5", "R13", "R14")]

LOOPBACK = "127.0.0.1"


@contextlib.contextmanager
def listening(count: int) -> Iterator[list[int]]:
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server((LOOPBACK, 0))) for _ in range(count)]
        yield [listener.getsockname()[1] for listener in listeners]


def closed_port() -> int:
    with listening(1) as [port]:
        return port


def test_ports_that_are_listed_and_open_pass() -> None:
    with listening(2) as (first, second):
        settings = PortsSettings((first, second), among=(str(closed_port()),))
        answer = ask(PORTS, settings, Target(url=f"http://{LOOPBACK}:{first}"))
    assert told(answer) == ("pass", f"of 3 ports open: {min(first, second)}, {max(first, second)}")
    assert (fact(answer, "open"), fact(answer, "looked_at")) == (2, 3)


def test_a_port_that_is_open_and_not_listed_fails() -> None:
    with listening(2) as (listed, stray):
        answer = ask(PORTS, PortsSettings((listed,), LOOPBACK, (f"{stray}-{stray}", str(closed_port()))))
    assert told(answer) == ("fail", f"open and not listed: {stray}")


def test_a_listed_port_that_refuses_fails() -> None:
    port = closed_port()
    assert told(ask(PORTS, PortsSettings((port,), LOOPBACK, ()))) == ("fail", f"listed and closed: {port}")


def test_a_thousand_ports_are_looked_at_a_bounded_number_at_a_time() -> None:
    with listening(1) as [port]:
        answer = ask(PORTS, PortsSettings((port,), LOOPBACK, ("1-1000",)))
    assert fact(answer, "looked_at") == 1_001
    assert port in [int(each) for each in answer.excerpt.removeprefix("open: ").split(", ")]


@contextlib.contextmanager
def silent() -> Iterator[int]:
    """A port whose queue is full: the system drops whoever comes, as a firewall does."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((LOOPBACK, 0))
        listener.listen(0)
        for _ in range(4):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def test_silence_on_every_port_says_nothing_unless_it_is_wanted() -> None:
    with silent() as port:
        doubt = ask(PORTS, PortsSettings((), LOOPBACK, (str(port),)))
        listed = ask(PORTS, PortsSettings((port,), LOOPBACK, ()))
        wanted = ask(PORTS, PortsSettings((), LOOPBACK, (str(port),), silent=True))
    assert told(doubt) == ("inconclusive", "nothing answered on any port: it may be down")
    assert told(listed)[0] == "inconclusive"
    assert told(wanted) == ("pass", "of 1 ports open: none")


def test_a_listed_port_that_drops_what_comes_fails_where_others_answer() -> None:
    with silent() as port:
        answer = ask(PORTS, PortsSettings((port,), LOOPBACK, (str(closed_port()),)))
    assert told(answer) == ("fail", f"listed and silent: {port}")


def test_ports_that_time_did_not_suffice_for_are_not_called_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(1) as [port]:
        monkeypatch.setattr("tminus.adapters.network.scan.IN_FLIGHT", 1)
        found = scan(socket.AF_INET, LOOPBACK, (port,), 0)
        answer = ask(PORTS, PortsSettings((port,), LOOPBACK, ("1-4000",)), limit_ms=1)
    assert found == {}
    assert told(answer)[0] == "inconclusive"


def test_a_scan_tells_open_from_closed_and_leaves_no_socket() -> None:
    with listening(1) as [port]:
        other = closed_port()
        assert scan(socket.AF_INET, LOOPBACK, (port, other, port), 10) == {
            port: Seen.OPEN,
            other: Seen.CLOSED,
        }


@pytest.mark.parametrize("among", [("0",), ("70000",), ("x",), ("5-",), ("1-5000",), ("9-5",), ("-",)])
def test_what_is_no_range_of_ports_is_refused(among: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="port"):
        PortsSettings((), LOOPBACK, among)


def test_a_host_without_a_name_cannot_be_looked_at() -> None:
    answer = ask(PORTS, PortsSettings((80,), "nowhere.invalid"))
    assert told(answer)[0] == "inconclusive"


def loopbacks() -> tuple[str, ...]:
    """What this machine's resolver says of its own name."""
    return tuple({str(each[4][0]) for each in socket.getaddrinfo("localhost", None)})


def test_a_name_that_leads_where_it_should_passes() -> None:
    answer = ask(DNS, DnsSettings("localhost", loopbacks()))
    assert told(answer)[0] == "pass", answer


def test_addresses_that_are_missing_or_not_listed_fail() -> None:
    verdict, why = told(ask(DNS, DnsSettings(LOOPBACK, ("192.0.2.7",))))
    assert verdict == "fail"
    assert why == "it does not resolve to 192.0.2.7; it resolves to 127.0.0.1, which is not listed"


def test_an_alias_of_another_name_fails() -> None:
    verdict, why = told(ask(DNS, DnsSettings("localhost", cname="edge.example.org")))
    assert (verdict, why.startswith("it is no alias of edge.example.org")) == ("fail", True)


def answering(monkeypatch: pytest.MonkeyPatch, *answers: object) -> None:
    """The resolver says this; no test can have the system's own at its disposal."""

    def getaddrinfo(*_: object, **__: object) -> list[object]:
        if isinstance(answers[0], BaseException):
            raise answers[0]
        return list(answers)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_an_alias_is_followed_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, (2, 1, 6, "Edge.Example.org.", ("192.0.2.7", 0)), (2, 1, 6, "", ("192.0.2.8", 0)))
    settings = DnsSettings("www.example.org", ("192.0.2.8", "192.0.2.7"), "edge.example.org")
    assert told(ask(DNS, settings)) == ("pass", "it resolves to 192.0.2.7, 192.0.2.8")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (socket.gaierror(socket.EAI_NONAME, ""), ("fail", "the resolver knows no such name")),
        (socket.gaierror(socket.EAI_AGAIN, ""), ("inconclusive", "the resolver does not answer")),
        (UnicodeError("label too long"), ("inconclusive", "this is no name that can be looked up")),
    ],
)
def test_a_name_that_is_not_there_is_told_from_a_resolver_that_is_not(
    error: Exception, expected: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, error)
    assert told(ask(DNS, DnsSettings("shop.example.org"))) == expected


def test_a_resolver_that_hangs_does_not_hold_up_the_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(60))
    try:
        answer = ask(DNS, DnsSettings("shop.example.org"), limit_ms=50)
    finally:
        over.set()
    assert told(answer) == ("inconclusive", "no answer within 50 ms")


def test_this_machine_has_some_room() -> None:
    answer = ask(RESOURCES, ResourcesSettings(1, 1, 100_000))
    assert told(answer)[0] == "pass", answer
    assert 0 < fact(answer, "disk_free_ppm") <= 1_000_000
    assert 0 < fact(answer, "memory_free_ppm") <= 1_000_000
    assert fact(answer, "load_ppm") >= 0


def test_no_machine_has_everything_free() -> None:
    verdict, why = told(ask(RESOURCES, ResourcesSettings(100, 100)))
    assert verdict == "fail"
    assert "disk free" in why
    assert "memory free" in why
    assert "wanted at least 100 %" in why


def test_a_place_that_is_not_there_tells_nothing() -> None:
    assert told(ask(RESOURCES, ResourcesSettings(path="nowhere")))[0] == "inconclusive"
