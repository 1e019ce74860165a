import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tminus.adapters.seal.head import HeadSeal
from tminus.adapters.seal.key import SealKey, signature_fits
from tminus.domain.canonical import canonical_bytes
from tminus.ports.fault import Refused, Unavailable
from tminus.ports.journal import GENESIS, Head

HASH = "sha256:" + "ab" * 32
OTHER_HASH = "sha256:" + "cd" * 32
HEAD = Head("shop-7", 12, HASH)


@pytest.fixture
def seal(tmp_path: Path) -> HeadSeal:
    return HeadSeal(SealKey(tmp_path / "keys" / "seal.pem"), tmp_path / "heads")


@pytest.fixture
def head_file(tmp_path: Path) -> Path:
    return tmp_path / "heads" / "shop-7.json"


def test_the_private_key_is_made_on_first_use_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "seal.pem"
    assert SealKey(path).known_public_key is None
    assert not path.exists()
    key = SealKey(path)
    assert key.public_key == key.known_public_key == SealKey(path).public_key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["seal.pem"]


def test_of_processes_that_make_the_key_at_once_all_use_the_same(tmp_path: Path) -> None:
    path = tmp_path / "seal.pem"
    with ThreadPoolExecutor(8) as threads:
        keys = set(threads.map(lambda _: SealKey(path).public_key, range(16)))
    assert keys == {SealKey(path).public_key}


def test_a_private_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "seal.pem"
    assert SealKey(path).public_key
    path.chmod(0o640)
    with pytest.raises(Refused) as refusal:
        _ = SealKey(path).public_key
    assert str(refusal.value) == (
        f"seal-key-exposed: others may read the private key {path}: `chmod 600` it, or remove it if leaked"
    )


@pytest.mark.parametrize("content", [b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_file_that_holds_no_key_is_refused_and_not_overwritten(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "seal.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(Refused, match="seal-key-unusable"):
        _ = SealKey(path).public_key
    assert path.read_bytes() == content


def test_a_sealed_head_is_kept_and_fits(seal: HeadSeal, head_file: Path) -> None:
    assert seal.sealed("shop-7") is None
    sealed = seal.seal(HEAD, at_ms=5)
    assert (sealed.launch, sealed.seq, sealed.hash, sealed.at_ms) == ("shop-7", 12, HASH, 5)
    assert seal.sealed("shop-7") == sealed
    seal.check(sealed)
    assert sorted(json.loads(head_file.read_bytes())) == [
        "at_ms",
        "hash",
        "launch",
        "public_key",
        "seq",
        "signature",
    ]
    assert [entry.name for entry in head_file.parent.iterdir()] == ["shop-7.json"]


def test_what_is_signed_is_written_down(seal: HeadSeal) -> None:
    sealed = seal.seal(HEAD, at_ms=5)
    content = canonical_bytes(
        {
            "at_ms": 5,
            "hash": HASH,
            "launch": "shop-7",
            "public_key": sealed.public_key,
            "purpose": "tminus sealed head 1",
            "seq": 12,
        }
    )
    assert signature_fits(sealed.public_key, sealed.signature, content)


@pytest.mark.parametrize(
    "change",
    [
        {"seq": 11},
        {"hash": OTHER_HASH},
        {"at_ms": 6},
        {"launch": "shop-8"},
        {"signature": "AAAA"},
        {"signature": "no base64"},
        {"public_key": "AAAA"},
    ],
)
def test_a_changed_sealed_head_is_broken(seal: HeadSeal, change: dict[str, str | int]) -> None:
    changed = replace(seal.seal(HEAD, at_ms=5), **change)  # type: ignore[arg-type]  # each case fits its field
    with pytest.raises(Refused, match=r"seal-broken: .*its signature does not fit its content"):
        seal.check(changed)


def test_a_head_that_another_key_signed_is_foreign_unless_it_is_trusted(
    seal: HeadSeal, tmp_path: Path
) -> None:
    elsewhere = SealKey(tmp_path / "other.pem")
    foreign = HeadSeal(elsewhere, tmp_path / "heads").seal(HEAD, at_ms=5)
    with pytest.raises(Refused, match=r"seal-foreign: .*signed by the key"):
        seal.check(foreign)
    with pytest.raises(Refused, match="seal-foreign"):
        seal.seal(replace(HEAD, seq=13), at_ms=6)
    trusting = HeadSeal(
        SealKey(tmp_path / "keys" / "seal.pem"), tmp_path / "heads", frozenset({elsewhere.public_key})
    )
    trusting.check(foreign)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"launch":"shop-7"}', b"\xff", b'{"launch":"shop-7","seq":true}', b"null"],
)
def test_a_file_that_holds_no_sealed_head_is_broken(seal: HeadSeal, head_file: Path, content: bytes) -> None:
    head_file.parent.mkdir()
    head_file.write_bytes(content)
    with pytest.raises(Refused, match=r"seal-broken: .*holds no sealed head"):
        seal.sealed("shop-7")
    with pytest.raises(Refused, match="seal-broken"):
        seal.seal(HEAD, at_ms=5)
    assert head_file.read_bytes() == content


def test_the_head_of_another_launch_in_its_place_is_broken(seal: HeadSeal, head_file: Path) -> None:
    seal.seal(replace(HEAD, launch="shop-8"), at_ms=5)
    head_file.with_name("shop-8.json").rename(head_file)
    with pytest.raises(Refused, match=r"seal-broken: .*it is that of launch shop-8"):
        seal.sealed("shop-7")


def test_sealing_goes_forward_or_stays(seal: HeadSeal) -> None:
    seal.seal(HEAD, at_ms=5)
    assert seal.seal(HEAD, at_ms=6).at_ms == 6
    assert seal.seal(replace(HEAD, seq=13), at_ms=7).seq == 13


@pytest.mark.parametrize(
    "head", [replace(HEAD, seq=11), replace(HEAD, hash=OTHER_HASH), Head("shop-7", 0, GENESIS)]
)
def test_sealing_never_goes_back(seal: HeadSeal, head: Head) -> None:
    sealed = seal.seal(HEAD, at_ms=5)
    with pytest.raises(Refused) as refusal:
        seal.seal(head, at_ms=6)
    assert str(refusal.value) == (
        f"seal-backwards: launch shop-7 was sealed at event 12 and now ends at event {head.seq}: "
        "the journal lost or changed events; run `tminus verify shop-7`"
    )
    assert seal.sealed("shop-7") == sealed


@pytest.mark.parametrize("launch", ["../../etc/x", "a/b", ".", "..", "ü 1", "shop%2F7"])
def test_any_name_of_a_launch_stays_in_the_folder(seal: HeadSeal, tmp_path: Path, launch: str) -> None:
    sealed = seal.seal(replace(HEAD, launch=launch), at_ms=5)
    assert seal.sealed(launch) == sealed
    assert len(list((tmp_path / "heads").iterdir())) == 1


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "heads").write_text("in the way", encoding="utf-8")
    seal = HeadSeal(SealKey(tmp_path / "seal.pem"), tmp_path / "heads")
    with pytest.raises(Unavailable, match="seal-unreachable"):
        seal.seal(HEAD, at_ms=5)


def test_a_crash_before_the_rename_leaves_the_old_head(
    seal: HeadSeal, head_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed = seal.seal(HEAD, at_ms=5)

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(Unavailable, match="No space left on device"):
        seal.seal(replace(HEAD, seq=13), at_ms=6)
    assert seal.sealed("shop-7") == sealed
    assert [entry.name for entry in head_file.parent.iterdir()] == ["shop-7.json"]
