"""The probe registry against a real one: what was pushed, what has gone, and who may look."""

import hashlib
import json
import urllib.request
from base64 import b64encode
from collections.abc import Iterator

import pytest

from tests.integration.liar import lying, says
from tests.integration.observability import program
from tests.probes.asked import ask, fact, told
from tminus.ports.probes import Target
from tminus.probes.registry import REGISTRY, RegistrySettings
from tminus.testing.contract.probes import MARKER, REFERENCE
from tminus.testing.docker import PASSWORD, USER, LocalRegistry

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.req("R4", "R13")]

IMAGE = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
ABSENT = "sha256:" + "0" * 64
LOGIN = f"{USER}:{PASSWORD}"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRegistry]:
    """Asks who comes."""
    program("docker-registry")
    with LocalRegistry(tmp_path_factory.mktemp("registry"), asks=True) as found:
        yield found


def send(registry: LocalRegistry, method: str, url: str, content: bytes = b"", kind: str = "") -> str:
    """Where the registry says that it is now."""
    full = url if "://" in url else f"http://{registry.host}/v2/shop/{url}"
    asked = urllib.request.Request(full, content or None, method=method)
    asked.add_header("Authorization", f"Basic {b64encode(LOGIN.encode()).decode()}")
    asked.add_header("Content-Type", kind or "application/octet-stream")
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return str(answer.headers.get("Location", ""))


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def push(registry: LocalRegistry, name: str, *contents: bytes) -> list[str]:
    """Pushes an image of these layers as `shop/<name>:1`; digests of its manifest and its layers."""
    blobs = [json.dumps({"os": "linux"}).encode(), *contents]
    for blob in blobs:
        place = send(registry, "POST", f"{name}/blobs/uploads/")
        send(registry, "PUT", f"{place}&digest={digest_of(blob)}", blob)
    parts = [{"mediaType": "x/y", "digest": digest_of(blob), "size": len(blob)} for blob in blobs]
    body = {"schemaVersion": 2, "mediaType": IMAGE, "config": parts[0], "layers": parts[1:]}
    manifest = json.dumps(body).encode()
    send(registry, "PUT", f"{name}/manifests/1", manifest, IMAGE)
    return [digest_of(manifest), *(str(part["digest"]) for part in parts[1:])]


def settings(registry: LocalRegistry, name: str, digest: str = "", tag: str = "") -> RegistrySettings:
    return RegistrySettings(f"{registry.host}/shop/{name}", digest, tag, REFERENCE)


def test_an_image_that_is_there_with_its_layers_passes(registry: LocalRegistry) -> None:
    digest, *_ = push(registry, "whole", b"one", b"two")
    answer = ask(REGISTRY, settings(registry, "whole", tag="1"), Target(digest=digest), secret=LOGIN)
    assert told(answer) == ("pass", "it is there with all of its 3 parts, and 1 names it")
    assert fact(answer, "parts") == 3
    assert answer.source == f"manifest {registry.host}/shop/whole@{digest}"


def test_a_digest_that_is_not_there_fails(registry: LocalRegistry) -> None:
    push(registry, "other", b"one")
    answer = ask(REGISTRY, settings(registry, "other", ABSENT), secret=LOGIN)
    assert told(answer) == ("fail", "there is no such digest")


def test_a_layer_that_has_gone_fails(registry: LocalRegistry) -> None:
    digest, layer, _ = push(registry, "torn", b"torn one", b"torn two")
    send(registry, "DELETE", f"torn/blobs/{layer}")
    answer = ask(REGISTRY, settings(registry, "torn", digest), secret=LOGIN)
    assert told(answer) == ("fail", f"1 of its 3 parts are missing: {layer}")


def test_a_tag_that_has_moved_or_gone_fails(registry: LocalRegistry) -> None:
    before, *_ = push(registry, "moved", b"one")
    after, *_ = push(registry, "moved", b"two")
    moved = ask(REGISTRY, settings(registry, "moved", before, "1"), secret=LOGIN)
    gone = ask(REGISTRY, settings(registry, "moved", before, "2"), secret=LOGIN)
    assert told(moved) == ("fail", f"1 names {after}")
    assert told(gone) == ("fail", "there is no tag 2")


def test_an_index_needs_each_of_its_images(registry: LocalRegistry) -> None:
    image, *_ = push(registry, "many", b"one")
    found = [{"mediaType": IMAGE, "digest": image, "size": 1}]
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": found}).encode()
    send(registry, "PUT", "many/manifests/all", index, INDEX)
    whole = settings(registry, "many", digest_of(index))
    assert told(ask(REGISTRY, whole, secret=LOGIN)) == ("pass", "it is there with all of its 1 parts")
    send(registry, "DELETE", f"many/manifests/{image}")
    assert told(ask(REGISTRY, whole, secret=LOGIN)) == ("fail", f"1 of its 1 parts are missing: {image}")


def test_nobody_in_particular_is_let_in_nowhere(registry: LocalRegistry) -> None:
    digest, *_ = push(registry, "closed", b"one")
    stranger = ask(REGISTRY, RegistrySettings(f"{registry.host}/shop/closed", digest))
    wrong = ask(REGISTRY, settings(registry, "closed", digest), secret=f"{USER}:{MARKER}")
    assert told(stranger)[0] == told(wrong)[0] == "inconclusive"
    assert f"refuses to show shop/closed as {USER}" in told(wrong)[1]


def test_an_artifact_without_a_digest_is_not_known_yet(registry: LocalRegistry) -> None:
    answer = ask(REGISTRY, settings(registry, "whole"), secret=LOGIN)
    assert told(answer) == ("inconclusive", "the digest of what is launched is not known yet")


def test_a_registry_that_answers_with_something_else_is_not_believed() -> None:
    with lying(says({"schemaVersion": 2, "config": {"digest": ABSENT}, "layers": []})) as liar:
        image = f"{liar.url.removeprefix('http://')}/shop/payment"
        verdict, why = told(ask(REGISTRY, RegistrySettings(image, ABSENT)))
    assert (verdict, why.startswith("it answers with something else, sha256:")) == ("inconclusive", True)


@pytest.mark.parametrize(
    ("image", "digest", "tag", "why"),
    [
        ("shop", "", "", "no registry with a name"),
        ("host/Shop", "", "", "no registry with a name"),
        ("host/shop:1", "", "", "no registry with a name"),
        ("host/shop", "sha256:short", "", "no digest"),
        ("host/shop", "", "-x", "no tag"),
    ],
)
def test_what_names_no_image_is_refused(image: str, digest: str, tag: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        RegistrySettings(image, digest, tag)
