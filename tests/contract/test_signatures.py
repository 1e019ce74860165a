"""Signatures of people: the fake and the real one alike; and the real one beside `ssh-keygen` itself."""

import base64
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tminus.adapters.ssh.check import SshSignatures
from tminus.adapters.ssh.sign import SshKey, usual_key
from tminus.adapters.ssh.sshsig import NotASignatureError, read_armoured
from tminus.domain.readiness.key import fingerprint, normal_key
from tminus.ports.fault import PortFault, Refused, Unavailable
from tminus.ports.signatures import Signatures
from tminus.testing.signatures import NamedSignatures, named_key, sign_as

NAMESPACE = "tminus-vote@v1"
SSH_KEYGEN = shutil.which("ssh-keygen")
KINDS = {
    "ed25519": ["-t", "ed25519"],
    "ecdsa-256": ["-t", "ecdsa", "-b", "256"],
    "ecdsa-384": ["-t", "ecdsa", "-b", "384"],
    "ecdsa-521": ["-t", "ecdsa", "-b", "521"],
    "rsa": ["-t", "rsa", "-b", "2048"],
}
PASSPHRASE = "open sesame"

needs_keygen = pytest.mark.skipif(SSH_KEYGEN is None, reason="ssh-keygen is not installed")
Sign = Callable[[str, bytes], str]


def keygen(*arguments: str, content: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    assert SSH_KEYGEN is not None
    return subprocess.run(
        [SSH_KEYGEN, *arguments], input=content, capture_output=True, check=False, timeout=30
    )


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One key of each kind, made by OpenSSH; one of them has a passphrase."""
    folder = tmp_path_factory.mktemp("keys")
    made = {}
    for kind, options in {**KINDS, "locked": KINDS["ed25519"]}.items():
        made[kind] = folder / kind
        secret = PASSPHRASE if kind == "locked" else ""
        done = keygen(*options, "-q", "-N", secret, "-C", kind, "-f", str(made[kind]))
        assert done.returncode == 0, done.stderr
    return made


def key_of(path: Path) -> str:
    return normal_key(path.with_suffix(".pub").read_text(encoding="ascii"))


@pytest.fixture(params=["named", *(pytest.param(kind, marks=needs_keygen) for kind in KINDS)])
def pair(request: pytest.FixtureRequest) -> tuple[Signatures, str, Sign]:
    if request.param == "named":
        key = named_key("ana")
        return NamedSignatures(), key, lambda namespace, content: sign_as(key, namespace, content)
    path = request.getfixturevalue("keys")[request.param]
    return SshSignatures(), key_of(path), SshKey(path, {}).sign


def test_the_key_that_signed_is_told(pair: tuple[Signatures, str, Sign]) -> None:
    signatures, key, sign = pair
    assert signatures.key_of(NAMESPACE, b"GO", sign(NAMESPACE, b"GO")) == key


def test_a_signature_holds_for_its_content_and_its_namespace_alone(
    pair: tuple[Signatures, str, Sign],
) -> None:
    signatures, _, sign = pair
    signature = sign(NAMESPACE, b"GO")
    assert signatures.key_of(NAMESPACE, b"NO-GO", signature) == ""
    assert signatures.key_of("file", b"GO", signature) == ""


@pytest.mark.parametrize(
    "text", ["", "GO", "{}", "[]", "-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----"]
)
def test_what_is_no_signature_is_nobodys(pair: tuple[Signatures, str, Sign], text: str) -> None:
    signatures, _, _ = pair
    assert signatures.key_of(NAMESPACE, b"GO", text) == ""


@needs_keygen
@pytest.mark.parametrize("kind", KINDS)
def test_every_changed_byte_of_a_signature_is_seen(keys: dict[str, Path], kind: str) -> None:
    signature = SshKey(keys[kind], {}).sign(NAMESPACE, b"GO")
    lines = signature.strip().splitlines()
    blob = bytearray(base64.b64decode("".join(lines[1:-1])))
    for place in range(0, len(blob), 7):
        changed = bytearray(blob)
        changed[place] ^= 1
        text = "\n".join([lines[0], base64.b64encode(changed).decode(), lines[-1]])
        assert SshSignatures().key_of(NAMESPACE, b"GO", text) == "", place


@needs_keygen
@pytest.mark.req("R18")
@pytest.mark.parametrize("kind", KINDS)
def test_ssh_keygen_verifies_what_is_signed_here(keys: dict[str, Path], kind: str, tmp_path: Path) -> None:
    signature = tmp_path / "signature"
    signature.write_text(SshKey(keys[kind], {}).sign(NAMESPACE, b"GO"), encoding="ascii")
    allowed = tmp_path / "allowed"
    allowed.write_text(f"ana {key_of(keys[kind])}\n", encoding="ascii")
    verify = ["-Y", "verify", "-f", str(allowed), "-I", "ana", "-n", NAMESPACE, "-s", str(signature)]
    assert keygen(*verify, content=b"GO").returncode == 0
    assert keygen(*verify, content=b"NO-GO").returncode != 0


@needs_keygen
@pytest.mark.parametrize("kind", KINDS)
def test_what_ssh_keygen_signs_is_verified_here(keys: dict[str, Path], kind: str, tmp_path: Path) -> None:
    told = tmp_path / "content"
    told.write_bytes(b"GO")
    assert keygen("-Y", "sign", "-f", str(keys[kind]), "-n", NAMESPACE, str(told)).returncode == 0
    signature = (tmp_path / "content.sig").read_text(encoding="ascii")
    assert SshSignatures().key_of(NAMESPACE, b"GO", signature) == key_of(keys[kind])


@needs_keygen
def test_a_fingerprint_is_what_ssh_keygen_prints(keys: dict[str, Path]) -> None:
    said = keygen("-l", "-f", str(keys["ed25519"])).stdout.decode()
    assert fingerprint(key_of(keys["ed25519"])) == said.split()[1]


@needs_keygen
def test_ssh_keygen_asks_for_a_passphrase_and_tminus_never_sees_it(
    keys: dict[str, Path], tmp_path: Path
) -> None:
    def asking(answer: str) -> dict[str, str]:
        ask = tmp_path / f"ask-{len(answer)}"
        ask.write_text(f"#!/bin/sh\necho '{answer}'\n", encoding="ascii")
        ask.chmod(0o700)
        return {"PATH": "/usr/bin:/bin", "SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"}

    signature = SshKey(keys["locked"], asking(PASSPHRASE)).sign(NAMESPACE, b"GO")
    assert SshSignatures().key_of(NAMESPACE, b"GO", signature) == key_of(keys["locked"])
    with pytest.raises(Unavailable) as refused:
        SshKey(keys["locked"], asking("wrong")).sign(NAMESPACE, b"GO")
    assert (refused.value.code, "wrong" in refused.value.why) == ("key-missing", False)


@needs_keygen
def test_a_locked_key_without_its_public_half_is_nobodys(keys: dict[str, Path], tmp_path: Path) -> None:
    shutil.copy(keys["locked"], tmp_path / "alone")
    with pytest.raises(Refused, match="has a passphrase"):
        _ = SshKey(tmp_path / "alone", {}).public


@needs_keygen
def test_an_agent_signs_for_a_key_whose_private_half_is_elsewhere(
    keys: dict[str, Path], tmp_path: Path
) -> None:
    agent = subprocess.Popen(
        ["ssh-agent", "-D", "-a", str(tmp_path / "agent")], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert agent.stdout is not None
        agent.stdout.readline()  # it says where it listens once it does
        environment = {"SSH_AUTH_SOCK": str(tmp_path / "agent"), "PATH": "/usr/bin:/bin"}
        add = ["ssh-add", "-q", str(keys["ecdsa-256"])]
        subprocess.run(add, env=environment, check=True, capture_output=True, timeout=30)
        public = tmp_path / "elsewhere.pub"
        shutil.copy(keys["ecdsa-256"].with_suffix(".pub"), public)
        signature = SshKey(public, environment).sign(NAMESPACE, b"GO")
        assert SshSignatures().key_of(NAMESPACE, b"GO", signature) == key_of(public.with_suffix(""))
    finally:
        agent.terminate()
        agent.wait(10)
        assert agent.stdout is not None
        agent.stdout.close()


@needs_keygen
def test_a_key_that_others_may_read_signs_nothing(keys: dict[str, Path], tmp_path: Path) -> None:
    path = tmp_path / "exposed"
    shutil.copy(keys["ed25519"], path)
    path.chmod(0o644)
    with pytest.raises(Refused, match="others may read"):
        SshKey(path, {}).sign(NAMESPACE, b"GO")


@pytest.mark.parametrize("content", [b"", b"not a key", b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n"])
def test_what_is_no_key_is_refused_without_being_shown(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(PortFault) as refused:
        SshKey(path, {}).sign(NAMESPACE, b"GO")
    assert refused.value.code == "key-unusable"
    assert not content or content.decode() not in refused.value.why


@needs_keygen
def test_a_key_that_is_nowhere_is_told(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as refused:
        SshKey(tmp_path / "nowhere", {"PATH": "/usr/bin:/bin"}).sign(NAMESPACE, b"GO")
    assert refused.value.code == "key-missing"


@needs_keygen
def test_ones_own_key_is_the_first_that_the_policy_knows(keys: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / ".ssh"
    folder.mkdir()
    for name, kind in (("id_ed25519", "ed25519"), ("id_rsa", "rsa")):
        shutil.copy(keys[kind], folder / name)
        shutil.copy(keys[kind].with_suffix(".pub"), folder / f"{name}.pub")
    wanted = key_of(keys["rsa"])
    assert usual_key(tmp_path, lambda key: key == wanted) == folder / "id_rsa"
    (folder / "id_rsa").unlink()
    assert usual_key(tmp_path, lambda key: key == wanted) == folder / "id_rsa.pub"
    assert usual_key(tmp_path, lambda key: False) is None


def test_a_signature_with_something_behind_it_is_none() -> None:
    with pytest.raises(NotASignatureError):
        read_armoured("-----BEGIN SSH SIGNATURE-----\nU1NIU0lHAAAAAQ==\n-----END SSH SIGNATURE-----")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("", "which is not one of"),
        ("ssh-dss AAAA", "which is not one of"),
        ("ssh-ed25519", "is not such a key"),
        ("ssh-ed25519 !!!!", "is not base64"),
        ("ssh-ed25519 AAAAB3NzaC1yc2E=", "is not such a key"),
    ],
)
def test_a_line_that_is_no_key_is_refused(line: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        normal_key(line)
