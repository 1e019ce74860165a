"""The probe tls against real servers: certificates that end, bear another name, or that nobody has signed."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.probes.asked import ask, fact, told
from tests.probes.authority import Authority
from tminus.adapters.network.handshake import Version, client_hello, speaks
from tminus.ports.probes import Target
from tminus.probes.tls import TLS, Oldest, TlsSettings
from tminus.testing.liars import Scene, lying

pytestmark = [pytest.mark.integration, pytest.mark.req("R13")]

NAME = "shop.test"
LOOPBACK = "127.0.0.1"


@contextlib.contextmanager
def serving(certificate: Path, least: ssl.TLSVersion, most: ssl.TLSVersion) -> Iterator[int]:
    """A port on which that certificate is shown in these versions."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = least, most
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                connection.settimeout(10)
                with connection, context.wrap_socket(connection, server_side=True) as secure:
                    secure.recv(1)

    with socket.create_server((LOOPBACK, 0)) as listener:
        listener.settimeout(0.05)
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            thread.join()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


MODERN = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


def shown(
    authority: Authority,
    certificate: Path,
    versions: tuple[ssl.TLSVersion, ssl.TLSVersion] = MODERN,
    *,
    oldest: Oldest = Oldest.TLS_1_2,
    roots: bool = True,
) -> tuple[str, str, int]:
    """What the probe says of a server that shows this certificate: verdict, sentence, days left."""
    trusted = str(authority.roots) if roots else ""
    with serving(certificate, *versions) as port:
        answer = ask(TLS, TlsSettings(LOOPBACK, port, NAME, oldest=oldest, roots=trusted))
    assert f"{LOOPBACK}:{port} as {NAME}" in answer.source
    return (*told(answer), fact(answer, "days_left"))


def test_a_good_certificate_passes_with_its_days(authority: Authority) -> None:
    verdict, why, days = shown(authority, authority.issue("good", [NAME], 60))
    assert (verdict, why) == ("pass", "TLSv1.3, a trusted chain, the right name, 60 days left")
    assert days == 60


def test_a_certificate_that_ends_soon_fails(authority: Authority) -> None:
    found = shown(authority, authority.issue("soon", [NAME], 5))
    assert found == ("fail", "its certificate ends in 5 days, wanted at least 14", 5)


def test_a_certificate_that_has_ended_fails(authority: Authority) -> None:
    verdict, why, days = shown(authority, authority.issue("ended", [NAME], -3, begins=-30))
    assert (verdict, days) == ("fail", -3)
    assert why.startswith("its certificate has ended on ")
    assert why.endswith("clients do not trust it: certificate has expired")


def test_a_certificate_of_another_name_fails(authority: Authority) -> None:
    verdict, why, _ = shown(authority, authority.issue("other", ["other.test"], 60))
    assert verdict == "fail"
    assert "Hostname mismatch" in why


def test_a_chain_that_leads_to_no_trusted_root_fails(authority: Authority) -> None:
    verdict, why, _ = shown(authority, authority.issue("stranger", [NAME], 60), roots=False)
    assert verdict == "fail"
    assert why == "clients do not trust it: unable to get local issuer certificate"


def test_a_server_that_still_speaks_tls_1_0_fails(authority: Authority) -> None:
    old = (ssl.TLSVersion.MINIMUM_SUPPORTED, ssl.TLSVersion.TLSv1_3)
    found = shown(authority, authority.issue("old", [NAME], 60), old)
    assert found == ("fail", "it still speaks what is older than TLS 1.2", 60)


def test_tls_1_2_is_too_old_where_1_3_is_wanted(authority: Authority) -> None:
    certificate = authority.issue("newer", [NAME], 60)
    both = shown(authority, certificate, oldest=Oldest.TLS_1_3)
    only = shown(authority, certificate, (MODERN[0], MODERN[0]), oldest=Oldest.TLS_1_3)
    new = shown(authority, certificate, (MODERN[1], MODERN[1]), oldest=Oldest.TLS_1_3)
    assert both[:2] == ("fail", "it still speaks what is older than TLS 1.3")
    assert only[1].startswith("it speaks TLSv1.2, wanted TLS 1.3 or later")
    assert new[0] == "pass"


def test_a_plain_server_shows_no_certificate() -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        port = listener.getsockname()[1]
        answer = ask(TLS, TlsSettings(port=port), Target(url=f"https://{LOOPBACK}"), limit_ms=300)
    assert told(answer) == ("inconclusive", "no handshake within 300 ms")


def test_a_file_of_roots_that_is_missing_is_named() -> None:
    answer = ask(TLS, TlsSettings(LOOPBACK, 1, roots="nowhere.pem"))
    assert told(answer) == ("inconclusive", "the file of roots nowhere.pem is not there")


def test_the_greeting_is_a_record_that_says_its_length() -> None:
    greeting = client_hello(NAME, Version.TLS_1_1.number, bytes(32))
    assert greeting[:3] == b"\x16\x03\x01"
    assert int.from_bytes(greeting[3:5], "big") == len(greeting) - 5
    assert int.from_bytes(greeting[6:9], "big") == len(greeting) - 9
    assert greeting[9:11] == b"\x03\x02"
    assert NAME.encode() in greeting


@pytest.mark.parametrize(
    ("scene", "expected"),
    [(Scene.CLOSES, False), (Scene.GARBLES, False), (Scene.NONSENSE, False), (Scene.HANGS, None)],
)
def test_hanging_up_is_a_refusal_and_silence_is_none(scene: Scene, expected: bool | None) -> None:
    with lying(scene) as (host, port):
        assert speaks(host, port, NAME, Version.TLS_1_1, 0.5) is expected


def test_a_server_that_reads_the_greeting_and_ends_without_a_word_refuses() -> None:
    def end() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)

    with socket.create_server((LOOPBACK, 0)) as listener:
        thread = threading.Thread(target=end)
        thread.start()
        assert speaks(LOOPBACK, listener.getsockname()[1], NAME, Version.TLS_1_1, 10) is False
        thread.join()
