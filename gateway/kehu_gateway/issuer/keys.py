"""The issuer's signing keys: a PEM file whose first key signs, while all of them are published.

To rotate, put a new key in front; take the old one out when the last token that it signed has expired. The file is read
again when it changes, so neither step needs a restart.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

__all__ = ["SigningKeyError", "SigningKeys"]

_PEM: Final = re.compile(rb"-----BEGIN PRIVATE KEY-----.+?-----END PRIVATE KEY-----", re.DOTALL)
_ALGORITHM: Final = "EdDSA"


class SigningKeyError(Exception):
    """The key file is missing or holds no Ed25519 private key."""


@dataclass(frozen=True, slots=True)
class _Key:
    key_id: str
    private: Ed25519PrivateKey
    public: Mapping[str, Any]


class SigningKeys:
    """Signs tokens and tells the public keys.

    Raises:
        SigningKeyError: at once, when the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._keys: list[_Key] = []
        self._load()

    def sign(self, claims: Mapping[str, Any]) -> str:
        """A JWT with these claims."""
        key = self._load()[0]
        return jwt.encode(dict(claims), key.private, algorithm=_ALGORITHM, headers={"kid": key.key_id, "typ": "JWT"})

    def key_set(self) -> Mapping[str, Any]:
        """The JSON Web Key Set to publish."""
        return {"keys": [dict(key.public) for key in self._load()]}

    async def published(self) -> Mapping[str, Any]:
        """The key set as a `KeySource` of the gateway's own verifier."""
        return self.key_set()

    def _load(self) -> list[_Key]:
        try:
            stat = self._path.stat()
            seen = (stat.st_mtime_ns, stat.st_ino)
            if seen != self._seen:
                self._keys = _read(self._path)
                self._seen = seen
        except OSError as error:
            # A file that is away for a moment, while it is being replaced, must not stop log-ins.
            if not self._keys:
                raise SigningKeyError(f"{self._path}: {error.strerror}") from None
        return self._keys


def _read(path: Path) -> list[_Key]:
    keys = []
    for block in _PEM.findall(path.read_bytes()):
        try:
            private = load_pem_private_key(block, password=None)
        except ValueError:
            raise SigningKeyError(f"{path}: a key cannot be read") from None
        if not isinstance(private, Ed25519PrivateKey):
            raise SigningKeyError(f"{path}: a key is not an Ed25519 key")
        keys.append(_describe(private))
    if not keys:
        raise SigningKeyError(f"{path}: there is no private key in it")
    return keys


def _describe(private: Ed25519PrivateKey) -> _Key:
    raw = base64.urlsafe_b64encode(private.public_key().public_bytes_raw()).rstrip(b"=").decode()
    # The key's id is its thumbprint (RFC 7638, RFC 8037), so that it needs no place to be remembered in.
    required = json.dumps({"crv": "Ed25519", "kty": "OKP", "x": raw}, separators=(",", ":"), sort_keys=True)
    key_id = base64.urlsafe_b64encode(sha256(required.encode()).digest()).rstrip(b"=").decode()
    public = {"kty": "OKP", "crv": "Ed25519", "x": raw, "kid": key_id, "use": "sig", "alg": _ALGORITHM}
    return _Key(key_id, private, public)
