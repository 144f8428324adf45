"""Tokens that nobody may get in with, by what is wrong with them."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

__all__ = ["Forger"]

DAY = 86_400


def _part(content: Any) -> bytes:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=")


@dataclass(frozen=True)
class Forger:
    """Knows a good token's key and claims, and spoils one thing at a time.

    Args:
        key: the issuer's.
        key_id: under which it is published.
        claims: of a token that would be taken.
    """

    key: Ed25519PrivateKey
    key_id: str
    claims: Mapping[str, Any]

    def good(self) -> str:
        """The token that all others are made of."""
        return self._signed({})

    def tokens(self) -> dict[str, str]:
        """All of them."""
        return {**self._algorithms(), **self._keys(), **self._claims(), **self._shapes()}

    def _signed(self, changes: Mapping[str, Any], header: Mapping[str, Any] | None = None) -> str:
        claims = {name: value for name, value in {**self.claims, **changes}.items() if value is not None}
        return self._raw({"alg": "EdDSA", "typ": "JWT", "kid": self.key_id, **(header or {})}, claims)

    def _raw(self, header: Any, claims: Any, key: Ed25519PrivateKey | None = None) -> str:
        signed = _part(header) + b"." + _part(claims)
        return (signed + b"." + _part((key or self.key).sign(signed))).decode()

    def _algorithms(self) -> dict[str, str]:
        public = self.key.public_key()
        raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        head = {"kid": self.key_id, "typ": "JWT"}
        unsigned = {
            f"alg {name}": (_part({**head, "alg": name}) + b"." + _part(dict(self.claims)) + b".").decode()
            for name in ("none", "None", "nOnE", "")
        }
        hashed = {
            f"HS256 with the public key ({what})": _hs256({**head, "alg": "HS256"}, self.claims, secret)
            for what, secret in {"raw": raw, "PEM": pem, "base64": base64.urlsafe_b64encode(raw)}.items()
        }
        return {
            **unsigned,
            **hashed,
            "another algorithm's name": self._signed({}, {"alg": "RS256"}),
            "no algorithm": self._raw({"kid": self.key_id}, dict(self.claims)),
            "an algorithm that is no text": self._signed({}, {"alg": ["EdDSA"]}),
        }

    def _keys(self) -> dict[str, str]:
        own = Ed25519PrivateKey.generate()
        public = jwt.get_algorithm_by_name("EdDSA").to_jwk(own.public_key(), as_dict=True)
        head = {"alg": "EdDSA", "kid": self.key_id}
        claims = dict(self.claims)
        named = {
            "an unknown key": "0" * 32,
            "a key as a path": "../../../../etc/passwd",
            "a key as an absolute path": "/dev/null",
            "a key as an address": "http://169.254.169.254/latest/meta-data",
            "a key as SQL": "' OR 1=1 --",
            "no key": None,
            "a key that is a number": 1,
            "a key that is a list": [self.key_id],
            "an empty key": "",
        }
        return {
            "signed by somebody else": self._raw(head, claims, own),
            "a key of its own (jwk)": self._raw({**head, "jwk": public}, claims, own),
            "a key set of its own (jku)": self._raw({**head, "jku": "http://127.0.0.1:1/keys"}, claims, own),
            "a certificate of its own (x5u)": self._raw({**head, "x5u": "http://127.0.0.1:1/cert"}, claims, own),
            **{what: self._signed({}, {"kid": key_id}) for what, key_id in named.items()},
        }

    def _claims(self) -> dict[str, str]:
        now = int(self.claims["iat"])
        wrong: dict[str, Mapping[str, Any]] = {
            "for another audience": {"aud": "another-bank"},
            "for other audiences": {"aud": ["another-bank", "kehu-console"]},
            "for nobody": {"aud": None},
            "of another issuer": {"iss": "https://evil.test"},
            "of almost our issuer": {"iss": f"{self.claims['iss']}/"},
            "of no issuer": {"iss": None},
            "expired": {"iat": now - 2 * DAY, "exp": now - DAY},
            "without an end": {"exp": None},
            "an end that is no number": {"exp": "tomorrow"},
            "an end beyond all numbers": {"exp": 1e400},
            "not yet valid": {"nbf": now + DAY},
            "made in the future": {"iat": now + DAY},
            "without a subject": {"sub": None},
            "a subject that is no text": {"sub": 7},
            "a subject with control characters": {"sub": "rm\nadmin"},
            "a subject without end": {"sub": "x" * 300},
            "roles that are no list": {"roles": "system"},
            "a staff id that is none": {"staff_id": "admin"},
        }
        return {what: self._signed(changes) for what, changes in wrong.items()}

    def _shapes(self) -> dict[str, str]:
        good = self.good()
        head, body, signature = good.split(".")
        doubled = json.dumps(dict(self.claims))[:-1] + ', "sub": "somebody-else"}'
        return {
            "claims named twice": self._raw({"alg": "EdDSA", "kid": self.key_id}, doubled.encode()),
            "a header named twice": self._raw(
                b'{"alg":"none","alg":"EdDSA","kid":"%s"}' % self.key_id.encode(), dict(self.claims)
            ),
            "claims that are a list": self._raw({"alg": "EdDSA", "kid": self.key_id}, [dict(self.claims)]),
            "claims that are no JSON": self._raw({"alg": "EdDSA", "kid": self.key_id}, b"{"),
            "an extension that must be known": self._signed({}, {"crit": ["exp"], "exp": 1}),
            "a detached body": self._signed({}, {"b64": False, "crit": ["b64"]}),
            "another body": f"{head}.{_part({**self.claims, 'roles': ['system']}).decode()}.{signature}",
            "no signature": f"{head}.{body}.",
            "two parts": f"{head}.{body}",
            "four parts": f"{good}.{signature}",
            "a long token": self._signed({"roles": ["x" * 10_000]}),
            "no token at all": "abc",
            "no text": "\x80\x81",
        }


def _hs256(header: Mapping[str, Any], claims: Mapping[str, Any], secret: bytes) -> str:
    # By hand: the library refuses to sign with what looks like a public key.
    signed = _part(dict(header)) + b"." + _part(dict(claims))
    algorithm = jwt.get_algorithm_by_name("HS256")
    return (signed + b"." + _part(algorithm.sign(signed, secret))).decode()
