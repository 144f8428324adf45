"""Small values that leave the gateway's memory: sealed in a cookie or a row, opened here only."""

from __future__ import annotations

import os
from collections.abc import Mapping
from hashlib import sha256
from hmac import digest as hmac_digest
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr
from pydantic_core import from_json, to_json

__all__ = ["Sealer"]

_NONCE = 12


class Sealer:
    """Seals JSON under the session key, for one purpose and context: opened for another, it does not open."""

    def __init__(self, key: SecretStr) -> None:
        self._key = sha256(key.get_secret_value().encode()).digest()

    def seal(self, value: Mapping[str, Any], *, purpose: str, context: str = "") -> bytes:
        """Seal a mapping of JSON values."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher(purpose, context).encrypt(nonce, to_json(value), purpose.encode())

    def open(self, sealed: bytes, *, purpose: str, context: str = "") -> dict[str, Any] | None:
        """What was sealed; None when it was not sealed here for this."""
        try:
            plain = self._cipher(purpose, context).decrypt(sealed[:_NONCE], sealed[_NONCE:], purpose.encode())
        except (InvalidTag, ValueError):
            return None
        opened: dict[str, Any] = from_json(plain)
        return opened

    def mark(self, purpose: str, value: str) -> str:
        """A keyed digest of a value, e.g. the CSRF token of a session."""
        return hmac_digest(self._key, f"{purpose}\0{value}".encode(), "sha256").hex()

    def _cipher(self, purpose: str, context: str) -> AESGCM:
        return AESGCM(hmac_digest(self._key, f"seal\0{purpose}\0{context}".encode(), "sha256"))
