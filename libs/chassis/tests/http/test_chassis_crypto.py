"""Keys: what is encrypted opens in its place only, nothing tells a secret, and a wrong key file stops the start."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from kehu_chassis.crypto import (
    BlindIndex,
    Decryption,
    FileKeyWrapper,
    KeyFileError,
    KeyRing,
    WrappedKey,
    create_key_file,
    create_wrapping_key_file,
)

SECRET = "王小明 13800138000"
EXPECTED_HASH = "3acff4a2861e42d3e4360e8f220670fb0a121a624524ebc1524cc88331b3ff7c"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    create_key_file(path)
    return path


@pytest.fixture
def ring(key_file: Path) -> KeyRing:
    return KeyRing.from_file(key_file)


def test_a_key_file_is_for_its_owner_only_and_never_overwritten(key_file: Path) -> None:
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    before = key_file.read_bytes()
    with pytest.raises(FileExistsError):
        create_key_file(key_file)
    assert key_file.read_bytes() == before


def test_a_text_comes_back_under_its_key_and_place(ring: KeyRing) -> None:
    envelope = ring.envelope()
    wrapped, key = envelope.new_data_key()
    sealed = envelope.encrypt(key, SECRET, "names/1")
    assert SECRET.encode() not in sealed
    assert sealed != envelope.encrypt(key, SECRET, "names/1")
    assert envelope.decrypt(envelope.open_data_key(wrapped), sealed, "names/1") == SECRET


def test_a_text_moved_to_another_place_or_party_or_damaged_does_not_open(ring: KeyRing) -> None:
    envelope = ring.envelope()
    _, key = envelope.new_data_key()
    _, other = envelope.new_data_key()
    sealed = envelope.encrypt(key, SECRET, "names/1")
    damaged = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for attempt in ((key, sealed, "names/2"), (other, sealed, "names/1"), (key, damaged, "names/1"), (key, b"", "")):
        with pytest.raises(Decryption) as refusal:
            envelope.decrypt(*attempt)
        assert SECRET not in str(refusal.value)


def test_a_key_wrapped_by_another_kek_does_not_open(ring: KeyRing) -> None:
    wrapped, key = ring.envelope().new_data_key()
    other = FileKeyWrapper({wrapped.key_id: b"x" * 32}, wrapped.key_id)
    with pytest.raises(Decryption):
        other.unwrap(wrapped)
    with pytest.raises(Decryption):
        other.unwrap(WrappedKey("kek-9", wrapped.wrapped))
    assert ring.wrapper.unwrap(wrapped) == key


def test_no_key_shows_in_a_repr(ring: KeyRing) -> None:
    wrapped, key = ring.envelope().new_data_key()
    shown = repr((wrapped, key, ring))
    for secret in (key.value, wrapped.wrapped, *ring.message_keys.values()):
        assert repr(secret) not in shown
        assert secret.hex() not in shown


def test_the_blind_index_finds_equal_values_of_a_domain_and_version() -> None:
    index = BlindIndex({1: b"a" * 32, 2: b"b" * 32}, active_version=2)
    assert index.versions == [2, 1]
    assert index.hash("phone", "138") == index.hash("phone", "138", version=2)
    assert len({index.hash("phone", "138"), index.hash("phone", "138", version=1), index.hash("email", "138")}) == 3

    # The value is that of an independent HMAC-SHA-256 over "phone", NUL, "138".
    assert index.hash("phone", "138") == bytes.fromhex(EXPECTED_HASH)


def test_a_token_is_the_beginning_of_the_hash_of_its_value(ring: KeyRing) -> None:
    (token,) = ring.index.tokens("name", ["王小"])
    assert token == int.from_bytes(ring.index.hash("name", "王小")[:4], "big", signed=True)


def test_tokens_that_are_remembered_are_those_of_the_key_in_force() -> None:
    index, other = BlindIndex({1: b"a" * 32}, active_version=1), BlindIndex({1: b"c" * 32, 2: b"b" * 32}, 2)
    values = [f"王{number}" for number in range(25_000)]
    for wanted in (index.tokens("name", values), index.tokens("name", values[::-1])):
        assert wanted == sorted(int.from_bytes(index.hash("name", value)[:4], "big", signed=True) for value in values)
    index.adopt(other)
    assert index.tokens("name", ["王1"]) == other.tokens("name", ["王1"], version=2)
    assert index.tokens("name", ["王1"], version=1) != BlindIndex({1: b"a" * 32}, 1).tokens("name", ["王1"])


def test_tokens_are_distinct_signed_32_bit_numbers(ring: KeyRing) -> None:
    tokens = ring.index.tokens("name", ["王小", "小明", "王小"])
    assert tokens == sorted(set(tokens))
    assert len(tokens) == 2
    assert all(-(2**31) <= token < 2**31 for token in tokens)
    assert tokens != ring.index.tokens("other", ["王小", "小明"])


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"kek": {"active": "a", "keys": {"a": "AAAA"}}}'],
    ids=["empty", "list", "nothing", "short key"],
)
def test_a_file_that_is_no_key_file_is_refused_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "broken.json"
    path.write_text(content)
    with pytest.raises(KeyFileError, match=r"broken\.json"):
        KeyRing.from_file(path)


def test_a_missing_key_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match=r"gone\.json"):
        KeyRing.from_file(tmp_path / "gone.json")


def test_a_file_without_its_active_key_is_refused(key_file: Path) -> None:
    content = json.loads(key_file.read_text())
    content["kek"]["active"] = "kek-2"
    key_file.write_text(json.dumps(content))
    with pytest.raises(KeyFileError, match="active"):
        KeyRing.from_file(key_file)


def test_a_file_without_its_active_message_key_is_refused(key_file: Path) -> None:
    content = json.loads(key_file.read_text())
    content["message"]["active"] = "bank-2"
    key_file.write_text(json.dumps(content))
    with pytest.raises(KeyFileError, match="active"):
        KeyRing.from_file(key_file)


def test_a_key_that_was_opened_is_forgotten_with_the_keys_that_opened_it(ring: KeyRing, tmp_path: Path) -> None:
    wrapped, key = ring.envelope().new_data_key()
    opened = ring.wrapper.unwrap(wrapped)
    assert opened == key
    assert ring.wrapper.unwrap(wrapped) is opened
    create_key_file(tmp_path / "newer.json")
    ring.adopt(KeyRing.from_file(tmp_path / "newer.json"))
    with pytest.raises(Decryption):
        ring.wrapper.unwrap(wrapped)


def test_a_key_that_was_opened_is_opened_anew_once_it_is_forgotten(ring: KeyRing) -> None:
    wrapped, key = ring.envelope().new_data_key()
    opened = ring.wrapper.unwrap(wrapped)
    ring.wrapper.forget()
    assert ring.wrapper.unwrap(wrapped) is not opened
    assert ring.wrapper.unwrap(wrapped) == key


def test_a_file_of_the_first_version_seals_messages_under_its_last_key(key_file: Path) -> None:
    content = json.loads(key_file.read_text())
    del content["message"]["active"]
    content["message"]["keys"]["bank-2"] = content["index"]["keys"]["1"]
    key_file.write_text(json.dumps(content))
    ring = KeyRing.from_file(key_file)
    assert ring.message_keys.active == ("bank-2", ring.message_keys["bank-2"])


def test_whoever_holds_the_message_keys_has_those_of_the_newer_file(ring: KeyRing, tmp_path: Path) -> None:
    held, former = ring.message_keys, ring.message_keys["bank-1"]
    create_key_file(tmp_path / "newer.json")
    newer = KeyRing.from_file(tmp_path / "newer.json")
    ring.adopt(newer)
    assert held.active == newer.message_keys.active != ("bank-1", former)
    assert ring.checks() == newer.checks()
    assert set(ring.checks()) == {"kek-1", "index-1", "bank-1"}


def test_a_service_that_wraps_only_has_a_file_of_one_key(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    create_wrapping_key_file(path, "webhook-1")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    ring = KeyRing.from_file(path)
    assert set(ring.checks()) == {"webhook-1"}
    wrapped, key = ring.envelope().new_data_key()
    assert wrapped.key_id == "webhook-1"
    assert KeyRing.from_file(path).wrapper.unwrap(wrapped) == key
    with pytest.raises(FileExistsError):
        create_wrapping_key_file(path, "webhook-1")
