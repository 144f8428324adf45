"""Reads the encrypted identity of a party message: compact JWE (RFC 7516), `dir` with A256GCM, `kid` naming the key."""

from __future__ import annotations

import re
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import GuestProtocol, OctKey
from joserfc.util import urlsafe_b64decode
from pydantic import ValidationError

from kehu_chassis.crypto import MessageKeys
from kehu_contracts.bank import PartyIdentity

__all__ = ["IdentityReader", "IdentityRefused"]

_ALGORITHMS = ("dir", "A256GCM")
_KID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""A `kid` that may be told; whatever else a sender calls one might be anything."""
_PLAIN_HEADER: Final = frozenset({"alg", "enc", "kid", "typ", "cty"})
"""What a header may say without changing what is to be done with the rest."""
_HEADERS_REMEMBERED: Final = 100
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16


class IdentityRefused(ValueError):
    """An identity cannot be read. The text says why and holds nothing of its content."""


class IdentityReader:
    """Opens and seals identities with the keys that the bank and Kehu share.

    Args:
        keys: looked at for each message, since they are replaced while it works. The active one seals what came in clear.
        accept_clear: whether an identity may come as plain JSON: for a migration, and never else.
    """

    def __init__(self, keys: MessageKeys, *, accept_clear: bool = False) -> None:
        self._keys = keys
        self._read: dict[bytes, OctKey] = {}
        self._ciphers: dict[bytes, AESGCM] = {}
        self._kids: dict[str, str] = {}
        """The `kid` in a header as it was sent, once the library has opened a message with it."""
        self._registry = jwe.JWERegistry(algorithms=list(_ALGORITHMS))
        self.accept_clear = accept_clear

    def open(self, sealed: str) -> PartyIdentity:
        """The identity in a compact JWE.

        Raises:
            IdentityRefused: a key that we do not have, another algorithm, damaged, or not a `PartyIdentity`.
        """
        plaintext = self._opened_at_once(sealed)
        return self.read(self._opened(sealed) if plaintext is None else plaintext)

    def _opened_at_once(self, sealed: str) -> bytes | None:
        """The plaintext, where the header is one that the library has read and opened before; else nothing.

        A sender's header is the same in all of its messages, and reading it anew is most of the library's work. Whatever
        does not open goes the library's way, which is the one that refuses.
        """
        header, _, rest = sealed.partition(".")
        key = self._keys.get(self._kids.get(header, ""), b"")
        parts = rest.split(".")
        if (
            len(key) != _KEY_BYTES
            or len(parts) != 4
            or parts[0]
            or len(parts[2]) > self._registry.max_ciphertext_length
        ):
            return None
        cipher = self._ciphers.get(key)
        if cipher is None:
            cipher = self._ciphers[key] = AESGCM(key)
        try:
            nonce, ciphertext, tag = (urlsafe_b64decode(part.encode()) for part in parts[1:])
            if len(nonce) != _NONCE_BYTES or len(tag) != _TAG_BYTES:
                return None
            return cipher.decrypt(nonce, ciphertext + tag, header.encode())
        except (InvalidTag, ValueError):
            return None

    def _opened(self, sealed: str) -> bytes:
        try:
            found = jwe.decrypt_compact(sealed, self._key_of, registry=self._registry)
        except IdentityRefused:
            raise
        except (JoseError, ValueError) as error:
            raise IdentityRefused(f"the identity cannot be decrypted: {type(error).__name__}") from None
        if _PLAIN_HEADER.issuperset(found.protected) and len(self._kids) < _HEADERS_REMEMBERED:
            self._kids[sealed.partition(".")[0]] = found.protected["kid"]
        return found.plaintext or b""

    def read(self, plaintext: bytes | str) -> PartyIdentity:
        """The identity in plain JSON; fields that are not known are ignored.

        Raises:
            IdentityRefused: it does not fit the contract.
        """
        try:
            return PartyIdentity.model_validate_json(plaintext, extra="ignore")
        except ValidationError as error:
            # Pydantic's own text repeats the value that is wrong.
            wrong = [f"/{'/'.join(map(str, each['loc']))}: {each['type']}" for each in error.errors()]
            raise IdentityRefused(f"the identity does not fit its contract: {', '.join(wrong)}") from None

    def seal(self, identity: PartyIdentity) -> str:
        """The identity as a compact JWE under the active key."""
        kid, key = self._keys.active
        header = {"alg": "dir", "enc": "A256GCM", "kid": kid}
        return jwe.encrypt_compact(header, identity.model_dump_json(), self._as_jwk(key), registry=self._registry)

    def _key_of(self, sealed: GuestProtocol) -> OctKey:
        kid = sealed.headers().get("kid")
        if not isinstance(kid, str) or not _KID.fullmatch(kid):
            raise IdentityRefused("the identity cannot be decrypted: it names no key (kid)")
        key = self._keys.get(kid)
        if key is None:
            raise IdentityRefused(f"the identity cannot be decrypted: there is no message key {kid}")
        return self._as_jwk(key)

    def _as_jwk(self, key: bytes) -> OctKey:
        found = self._read.get(key)
        if found is None:
            found = self._read[key] = OctKey.import_key(key)
        return found
