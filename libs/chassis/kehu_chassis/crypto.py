"""Keys and what is done with them: envelopes for each party, blind indexes, search tokens.

Every party has its own data key (AES-256). The data key is stored wrapped by a key-encryption key (KEK), which lives in
a file or a key management service and never in the database. Destroying a wrapped key erases all that it encrypted.
What must be found exactly is kept as an HMAC-SHA-256 (`BlindIndex`), names as HMACs cut to 32 bits (tokens).

No plaintext or key ever stands in an error's text or a repr.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from hmac import digest as hmac_digest
from pathlib import Path
from typing import Any, Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
from sqlalchemy import Column, LargeBinary, MetaData, Table, Text

from kehu_chassis.database import Transaction

__all__ = [
    "BlindIndex",
    "DataKey",
    "Decryption",
    "Envelope",
    "FileKeyWrapper",
    "KeyFileError",
    "KeyRing",
    "KeyWrapper",
    "MessageKeys",
    "WrappedKey",
    "check_keys",
    "create_key_file",
    "create_wrapping_key_file",
    "encryption_keys",
    "retire_key",
    "tables",
]

_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_TOKENS_REMEMBERED: Final = 20_000
"""For each index key and domain: some four megabytes."""
_KEYS_REMEMBERED: Final = 2_000
"""Some five megabytes."""


class KeyFileError(Exception):
    """The key file is missing, unreadable or not the one that the data were written with."""


class Decryption(Exception):
    """A ciphertext does not open: another key, another place (aad), or damaged. Tells nothing of the content."""


# Keys are not frozen: a list makes two for each of its rows, and a frozen WrappedKey takes twice as long to make.
@dataclass(slots=True)
class DataKey:
    """A party's key in clear; lives in memory only, and is not changed once made."""

    value: bytes = field(repr=False)
    cipher: AESGCM = field(init=False, repr=False, compare=False)
    """Made ready once: a party has several values, all under its one key."""

    def __post_init__(self) -> None:
        self.cipher = AESGCM(self.value)


@dataclass(slots=True)
class WrappedKey:
    """A data key as it is stored: which KEK wrapped it, and the wrapped bytes."""

    key_id: str
    wrapped: bytes = field(repr=False)


class KeyWrapper(Protocol):
    """Wraps data keys: by a local file here, by a key management service elsewhere."""

    @property
    def active_id(self) -> str:
        """The KEK that wraps new keys."""
        ...

    def wrap(self, key: DataKey) -> WrappedKey:
        """Wrap a data key under the active KEK."""
        ...

    def unwrap(self, wrapped: WrappedKey) -> DataKey:
        """Open a wrapped key.

        Raises:
            Decryption: the KEK is unknown or not the one that wrapped it.
        """
        ...

    def forget(self) -> None:
        """Keep no opened key in memory: called every minute, so that none outlives its erasure by more."""
        ...

    def checks(self) -> Mapping[str, bytes]:
        """For each KEK by id, a value that tells it from another without telling it."""
        ...

    def adopt(self, other: Any) -> None:
        """Become what another wrapper of the same kind is."""
        ...


class FileKeyWrapper:
    """KEKs in memory, read from the key file; AES key wrap (RFC 3394).

    The keys that were opened last are remembered: lists and pages are read again and again, and to open a party's key
    takes longer than to open a name under it.
    """

    def __init__(self, keys: Mapping[str, bytes], active_id: str) -> None:
        self._keys = dict(keys)
        self._active_id = active_id
        self._opened = lru_cache(maxsize=_KEYS_REMEMBERED)(self._open)

    @property
    def active_id(self) -> str:
        """The KEK that wraps new keys."""
        return self._active_id

    def wrap(self, key: DataKey) -> WrappedKey:
        """Wrap a data key under the active KEK."""
        return WrappedKey(self._active_id, aes_key_wrap(self._keys[self._active_id], key.value))

    def unwrap(self, wrapped: WrappedKey) -> DataKey:
        """Open a wrapped key."""
        return self._opened(wrapped.key_id, wrapped.wrapped)

    def _open(self, key_id: str, wrapped: bytes) -> DataKey:
        kek = self._keys.get(key_id)
        if kek is None:
            raise Decryption(f"no key-encryption key {key_id}")
        try:
            return DataKey(aes_key_unwrap(kek, wrapped))
        except (InvalidUnwrap, ValueError):
            raise Decryption(f"not wrapped by key-encryption key {key_id}") from None

    def forget(self) -> None:
        """Keep no opened key in memory."""
        self._opened.cache_clear()

    def checks(self) -> Mapping[str, bytes]:
        """For each KEK by id, a value that tells it from another without telling it."""
        return {name: _check("kek", key) for name, key in self._keys.items()}

    def adopt(self, other: FileKeyWrapper) -> None:
        """Become what another wrapper is: its keys, its active one."""
        self._keys, self._active_id = other._keys, other._active_id
        self.forget()


class Envelope:
    """Encrypts under a party's data key.

    `aad` names the place of the value (table, column, row), so that a ciphertext moved elsewhere does not open.
    """

    def __init__(self, wrapper: KeyWrapper) -> None:
        self._wrapper = wrapper

    def new_data_key(self) -> tuple[WrappedKey, DataKey]:
        """A fresh key for one party: the part to store and the part to use."""
        key = DataKey(secrets.token_bytes(_KEY_BYTES))
        return self._wrapper.wrap(key), key

    def open_data_key(self, wrapped: WrappedKey) -> DataKey:
        """The data key in a stored one.

        Raises:
            Decryption: its KEK is not ours.
        """
        return self._wrapper.unwrap(wrapped)

    @staticmethod
    def encrypt(key: DataKey, plaintext: str, aad: str) -> bytes:
        """Nonce, ciphertext and tag of a text (AES-256-GCM)."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + key.cipher.encrypt(nonce, plaintext.encode(), aad.encode())

    @staticmethod
    def decrypt(key: DataKey, ciphertext: bytes, aad: str) -> str:
        """The text.

        Raises:
            Decryption: another key, another place, or damaged.
        """
        try:
            nonce, sealed = ciphertext[:_NONCE_BYTES], ciphertext[_NONCE_BYTES:]
            return key.cipher.decrypt(nonce, sealed, aad.encode()).decode()
        except (InvalidTag, ValueError):
            raise Decryption("the ciphertext does not open") from None


class BlindIndex:
    """Keyed hashes by which a value is found without being stored: same domain, value and version, same hash."""

    def __init__(self, keys: Mapping[int, bytes], active_version: int) -> None:
        self._keys = dict(keys)
        self._hashers: dict[tuple[int, str], _Hasher] = {}
        self.active_version = active_version

    @property
    def versions(self) -> Sequence[int]:
        """All versions that can be searched, newest first; a search asks for each of them during a re-index."""
        return sorted(self._keys, reverse=True)

    def hash(self, domain: str, value: str, *, version: int | None = None) -> bytes:
        """HMAC-SHA-256 of a value in a domain such as `phone`; the value must be normalised by the caller."""
        return self._hasher(domain, version).hash(value)

    def tokens(self, domain: str, values: Iterable[str], *, version: int | None = None) -> list[int]:
        """Hashes cut to signed 32 bits (int4), sorted and without repeats, for `int[]` under GIN."""
        return sorted(set(map(self._hasher(domain, version).token, values)))

    def _hasher(self, domain: str, version: int | None) -> _Hasher:
        place = (self.active_version if version is None else version), domain
        found = self._hashers.get(place)
        if found is None:
            found = self._hashers[place] = _Hasher(self._keys[place[0]], domain)
        return found

    def checks(self) -> Mapping[str, bytes]:
        """For each key by name, a value that tells it from another without telling it."""
        return {f"index-{version}": _check("index", key) for version, key in self._keys.items()}

    def adopt(self, other: BlindIndex) -> None:
        """Become what another index is: its keys, its active version."""
        self._keys, self._hashers, self.active_version = other._keys, other._hashers, other.active_version


class _Hasher:
    """HMAC-SHA-256 under one key in one domain, by its definition (RFC 2104): what all values share is hashed once."""

    __slots__ = ("_inner", "_outer", "token")

    token: Callable[[str], int]
    """The hash cut to 32 bits. Those asked for last are remembered: the parts of names are the same in many names."""

    def __init__(self, key: bytes, domain: str) -> None:
        self._inner = sha256(_padded(key, _INNER) + f"{domain}\0".encode())
        self._outer = sha256(_padded(key, _OUTER))
        self.token = lru_cache(maxsize=_TOKENS_REMEMBERED)(self._cut)

    def hash(self, value: str) -> bytes:
        inside, outside = self._inner.copy(), self._outer.copy()
        inside.update(value.encode())
        outside.update(inside.digest())
        return outside.digest()

    def _cut(self, value: str) -> int:
        return int.from_bytes(self.hash(value)[:4], "big", signed=True)


class MessageKeys(Mapping[str, bytes]):
    """The keys that senders and we share, by `kid`: messages under any of them are opened, new ones sealed under one."""

    def __init__(self, keys: Mapping[str, bytes], active_id: str) -> None:
        self._keys = dict(keys)
        self.active_id = active_id

    def __getitem__(self, kid: str) -> bytes:
        return self._keys[kid]

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def active(self) -> tuple[str, bytes]:
        """The `kid` and the key that new messages are sealed under."""
        return self.active_id, self._keys[self.active_id]

    def checks(self) -> Mapping[str, bytes]:
        """For each key by `kid`, a value that tells it from another without telling it."""
        return {kid: _check("message", key) for kid, key in self._keys.items()}

    def adopt(self, other: MessageKeys) -> None:
        """Become what another is: its keys, its active one."""
        self._keys, self.active_id = other._keys, other.active_id


@dataclass(frozen=True, slots=True)
class KeyRing:
    """All keys of a service: how data keys are wrapped, the blind index, and the keys that it shares with senders (JWE).

    A service that indexes nothing and is sent nothing sealed has a file without these two.
    """

    wrapper: KeyWrapper
    index: BlindIndex
    message_keys: MessageKeys = field(repr=False)

    @classmethod
    def from_file(cls, path: Path) -> KeyRing:
        """Read a file made by `create_key_file` or `create_wrapping_key_file`.

        Raises:
            KeyFileError: it is missing, unreadable or incomplete; names the path and never a key.
        """
        try:
            content = json.loads(path.read_text())
            kek, active_kek = _read_section(content["kek"])
            index, active_index = _read_section(content.get("index", {"keys": {}, "active": 0}))
            shared = content.get("message", {"keys": {}})
            # Files of the first version name no active message key: it was the last.
            message, active_message = _read_section({"active": next(reversed(shared["keys"]), ""), **shared})
            wrapper = FileKeyWrapper(kek, active_kek)
            blind = BlindIndex({int(version): key for version, key in index.items()}, int(active_index))
        except OSError as error:
            raise KeyFileError(f"the key file {path} cannot be read: {error.strerror}") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise KeyFileError(f"the key file {path} is not a key file") from None
        for keys, active in ((kek, active_kek), (index, active_index), (message, active_message)):
            if active not in keys and (keys or keys is kek):
                raise KeyFileError(f"the key file {path} lacks the key that it calls active")
        return cls(wrapper, blind, MessageKeys(message, active_message))

    def adopt(self, other: KeyRing) -> None:
        """Take the keys of a newer reading of the file; whoever holds a part of the ring has them."""
        self.wrapper.adopt(other.wrapper)
        self.index.adopt(other.index)
        self.message_keys.adopt(other.message_keys)

    def checks(self) -> Mapping[str, bytes]:
        """For each key by name, a value that tells it from another without telling it."""
        return {**self.wrapper.checks(), **self.index.checks(), **self.message_keys.checks()}

    def envelope(self) -> Envelope:
        """Encryption under the ring's KEK."""
        return Envelope(self.wrapper)


def create_key_file(path: Path) -> None:
    """Write a new key file that only its owner can read: one KEK, one index key, one message key (`kid` `bank-1`).

    Raises:
        FileExistsError: there is one; a key file is never overwritten, since the data would be lost with it.
    """
    content = {
        "kek": {"active": "kek-1", "keys": {"kek-1": _fresh_key()}},
        "index": {"active": 1, "keys": {"1": _fresh_key()}},
        "message": {"active": "bank-1", "keys": {"bank-1": _fresh_key()}},
    }
    _write_new(path, content)


def create_wrapping_key_file(path: Path, key_id: str) -> None:
    """The same for a service that seals under data keys and does nothing else with keys: one KEK of this name.

    Raises:
        FileExistsError: there is one.
    """
    _write_new(path, {"kek": {"active": key_id, "keys": {key_id: _fresh_key()}}})


def tables(metadata: MetaData) -> tuple[Table, ...]:
    """The table that remembers which keys the data were written with, in a metadata of the caller's."""
    return (
        Table(
            "encryption_keys",
            metadata,
            Column("key_id", Text, primary_key=True),
            Column("check_value", LargeBinary, nullable=False),
        ),
    )


(encryption_keys,) = tables(MetaData())

_REMEMBER: Final = """
INSERT INTO encryption_keys (key_id, check_value) SELECT * FROM unnest($1::text[], $2::bytea[])
ON CONFLICT DO NOTHING
"""
# A key that was retired keeps its row, so that an old file does not bring it back, and is asked for no more.
_KNOWN: Final = "SELECT key_id, check_value FROM encryption_keys WHERE check_value <> ''"
_RETIRE: Final = "UPDATE encryption_keys SET check_value = '' WHERE key_id = $1"


async def check_keys(tx: Transaction, ring: KeyRing) -> None:
    """Stop a start with the wrong keys. The first start remembers the keys' check values; later ones compare.

    Raises:
        KeyFileError: a key that the data were written with is lost or has been replaced by another of the same name.
    """
    held = ring.checks()
    await tx.connection.execute(_REMEMBER, list(held), list(held.values()))
    for row in await tx.connection.fetch(_KNOWN):
        if row["key_id"] not in held:
            raise KeyFileError(f"the key {row['key_id']}, with which data were written, is not in the key file")
        if row["check_value"] != held[row["key_id"]]:
            raise KeyFileError(f"the key {row['key_id']} in the key file is not the one with which data were written")


async def retire_key(tx: Transaction, key_id: str) -> None:
    """Ask for a key no more. Nothing may be left under it: what is can never be opened or found again."""
    await tx.connection.execute(_RETIRE, key_id)


_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))


def _padded(key: bytes, pad: bytes) -> bytes:
    return key.ljust(64, b"\0").translate(pad)


def _check(purpose: str, key: bytes) -> bytes:
    return hmac_digest(key, f"kehu check of a {purpose} key".encode(), sha256)[:16]


def _fresh_key() -> str:
    return base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()


def _write_new(path: Path, content: Mapping[str, Any]) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(content, file, indent=2)


def _read_section(section: Mapping[str, Any]) -> tuple[dict[str, bytes], str]:
    return {name: _read_key(text) for name, text in section["keys"].items()}, str(section["active"])


def _read_key(text: str) -> bytes:
    key = base64.b64decode(text, validate=True)
    if len(key) != _KEY_BYTES:
        raise ValueError("a key has 32 bytes")
    return key
