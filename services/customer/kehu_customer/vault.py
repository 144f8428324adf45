"""The one place where personal data is sealed, opened and made findable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from kehu_chassis.crypto import DataKey, KeyRing, WrappedKey
from kehu_customer.search.rules import Probe, name_tokens

__all__ = ["CustomerResources", "SealedRow", "Vault"]

SealedRow = Mapping[str, Any]
"""A row with `key_id` and `wrapped_key` of its party."""

NAME_DOMAIN = "name"
DOCUMENT_DOMAIN = "document"


class Vault:
    """Seals values under a party's data key and makes the blind indexes and tokens by which they are found.

    A place is `table.column`; together with the row's id it is bound to the ciphertext, so that a value that was moved
    to another row does not open.
    """

    def __init__(self, ring: KeyRing) -> None:
        self._envelope = ring.envelope()
        self._index = ring.index

    @property
    def index_version(self) -> int:
        """The version of the key that new blind indexes and tokens are made with."""
        return self._index.active_version

    def new_key(self) -> tuple[WrappedKey, DataKey]:
        """A key for a new party: the part to store and the part to use."""
        return self._envelope.new_data_key()

    def key_of(self, row: SealedRow) -> DataKey:
        """The data key of a party's row."""
        return self._envelope.open_data_key(WrappedKey(row["key_id"], row["wrapped_key"]))

    def seal(self, key: DataKey, value: str, place: str, row_id: UUID) -> bytes:
        """Ciphertext of a value for a place of a row."""
        return self._envelope.encrypt(key, value, f"{place}:{row_id}")

    def seal_optional(self, key: DataKey, value: str | None, place: str, row_id: UUID) -> bytes | None:
        """Ciphertext of a value, nothing of nothing."""
        return None if value is None else self.seal(key, value, place, row_id)

    def open(self, key: DataKey, sealed: bytes, place: str, row_id: UUID) -> str:
        """The value that was sealed for this place of this row."""
        return self._envelope.decrypt(key, sealed, f"{place}:{row_id}")

    def open_optional(self, key: DataKey, sealed: bytes | None, place: str, row_id: UUID) -> str | None:
        """The value that was sealed, nothing of nothing."""
        return None if sealed is None else self.open(key, sealed, place, row_id)

    def contact_index(self, contact_type: str, value: str) -> bytes:
        """By which a contact point in its one written form is found."""
        return self._index.hash(contact_type, value)

    def document_index(self, number: str) -> bytes:
        """By which a document number in its one written form is found, whatever its type."""
        return self._index.hash(DOCUMENT_DOMAIN, number)

    def contact_probes(self, contact_type: str, value: str) -> list[bytes]:
        """The blind indexes of a contact point under every key that rows may still be indexed with."""
        return [self._index.hash(contact_type, value, version=version) for version in self._index.versions]

    def document_probes(self, number: str) -> list[bytes]:
        """The blind indexes of a document number under every key that rows may still be indexed with."""
        return [self._index.hash(DOCUMENT_DOMAIN, number, version=version) for version in self._index.versions]

    def name_tokens(self, name: str) -> list[int]:
        """The keyed tokens by which a name is found."""
        return self._index.tokens(NAME_DOMAIN, name_tokens(name))

    def probe_tokens(self, probe: Probe) -> list[list[int]]:
        """A probe's tokens under every key that rows may still be indexed with."""
        return [self._index.tokens(NAME_DOMAIN, probe.tokens, version=version) for version in self._index.versions]


@dataclass(frozen=True, slots=True)
class CustomerResources:
    """What this service's processes hold beside the chassis's own: the keys of the bank's messages, and the vault."""

    ring: KeyRing
    vault: Vault
