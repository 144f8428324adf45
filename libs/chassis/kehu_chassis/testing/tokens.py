"""Tokens for tests: a key pair of the test run, the key set that a verifier fetches, and tokens signed with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final
from uuid import UUID, uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from kehu_chassis.auth import TokenVerifier
from kehu_chassis.clock import technical_now
from kehu_contracts.access import Role

__all__ = ["AUDIENCE", "ISSUER", "TestIssuer", "default_issuer", "token_for"]

ISSUER: Final = "http://issuer.test"
AUDIENCE: Final = "kehu"
LONGER_THAN_ANY_TEST: Final = 12 * 3_600
"""Seconds. The long forms work for an hour and more on a slow machine; what a token answers then is no longer the route."""


class TestIssuer:
    """Signs tokens as an issuer would. `rotate` makes a new key; `publish_all=False` withdraws the older ones."""

    __test__ = False

    def __init__(self) -> None:
        self.published: dict[str, Ed25519PrivateKey] = {}
        self.key_id = ""
        self.fetches = 0
        self.rotate()

    def rotate(self, *, publish_all: bool = True) -> None:
        """Sign with a new key from now on."""
        if not publish_all:
            self.published.clear()
        self.key_id = uuid4().hex
        self.published[self.key_id] = Ed25519PrivateKey.generate()

    async def key_set(self) -> Mapping[str, Any]:
        """What the issuer publishes; a `KeySource`."""
        self.fetches += 1
        algorithm = jwt.get_algorithm_by_name("EdDSA")
        return {
            "keys": [
                {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": key_id, "use": "sig", "alg": "EdDSA"}
                for key_id, key in self.published.items()
            ]
        }

    def verifier(self) -> TokenVerifier:
        """A verifier of this issuer's tokens."""
        return TokenVerifier(issuer=ISSUER, audience=AUDIENCE, keys=self.key_set)

    def token(
        self,
        roles: Iterable[Role | str] = (),
        staff_id: UUID | None = None,
        /,
        *,
        subject: str = "tester",
        expires_in: int = LONGER_THAN_ANY_TEST,
        **claims: Any,
    ) -> str:
        """A signed token; `claims` adds to and overrides what stands in it, and None removes a claim."""
        now = int(technical_now().timestamp())
        content: dict[str, Any] = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "iat": now,
            "nbf": now,
            "exp": now + expires_in,
            "jti": uuid4().hex,
            "roles": [str(role) for role in roles],
            "staff_id": None if staff_id is None else str(staff_id),
            **claims,
        }
        kept = {name: value for name, value in content.items() if value is not None}
        return jwt.encode(kept, self.published[self.key_id], algorithm="EdDSA", headers={"kid": self.key_id})


_issuer = TestIssuer()


def token_for(roles: Iterable[Role | str], staff_id: UUID | None = None, *, subject: str = "tester") -> str:
    """A token of the run's own issuer, which `app_client` applications trust."""
    return _issuer.token(roles, staff_id, subject=subject)


def default_issuer() -> TestIssuer:
    """The run's own issuer."""
    return _issuer
