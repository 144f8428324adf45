"""What the issuer takes: pure decisions of OAuth 2.1 and OpenID Connect Core."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Final

__all__ = [
    "AuthorizationRefused",
    "AuthorizationRequest",
    "challenge_of",
    "delay_after",
    "read_request",
    "verifier_fits",
]

_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_NONCE: Final = re.compile(r"[\x20-\x7e]{1,1000}")
"""Written down beside the code, where control characters are refused."""


class AuthorizationRefused(Exception):
    """The authorization request is not acceptable.

    Attributes:
        error: the OAuth error code.
        redirectable: whether the client may be told by redirect; not when client or address are themselves in doubt.
    """

    def __init__(self, error: str, description: str, *, redirectable: bool) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.redirectable = redirectable


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """An authorization request that is in order."""

    client_id: str
    redirect_uri: str
    state: str
    code_challenge: str
    nonce: str | None
    scope: str


def read_request(parameters: Mapping[str, str], redirect_uris: Mapping[str, frozenset[str]]) -> AuthorizationRequest:
    """Check an authorization request. PKCE with S256 is required of every client.

    Args:
        parameters: of the query.
        redirect_uris: the exact addresses that each client may name.

    Raises:
        AuthorizationRefused: something is missing or wrong.
    """
    client_id, redirect_uri = parameters.get("client_id", ""), parameters.get("redirect_uri", "")
    if redirect_uri not in redirect_uris.get(client_id, frozenset()):
        raise AuthorizationRefused("invalid_request", "unknown client or redirect_uri", redirectable=False)
    if parameters.get("response_type") != "code":
        raise AuthorizationRefused("unsupported_response_type", "response_type must be code", redirectable=True)
    scope = parameters.get("scope", "")
    if "openid" not in scope.split():
        raise AuthorizationRefused("invalid_scope", "scope must contain openid", redirectable=True)
    challenge = parameters.get("code_challenge", "")
    if parameters.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(challenge):
        raise AuthorizationRefused("invalid_request", "PKCE with S256 is required", redirectable=True)
    state = parameters.get("state", "")
    if not state or len(state) > 1000:
        raise AuthorizationRefused("invalid_request", "state is required", redirectable=True)
    nonce = parameters.get("nonce")
    if nonce is not None and not _NONCE.fullmatch(nonce):
        raise AuthorizationRefused(
            "invalid_request", "nonce must be at most 1000 visible ASCII characters", redirectable=True
        )
    return AuthorizationRequest(client_id, redirect_uri, state, challenge, nonce, scope)


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a PKCE verifier (RFC 7636)."""
    return base64.urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def verifier_fits(verifier: str, challenge: str) -> bool:
    """Whether a verifier is the one that a challenge was made of."""
    return _VERIFIER.fullmatch(verifier) is not None and challenge_of(verifier) == challenge


def delay_after(failures: int, *, free: int, longest: timedelta) -> timedelta:
    """How long the next attempt has to wait after so many failures: nothing at first, then 1 s, 2 s, 4 s."""
    if failures < free:
        return timedelta(0)
    # 2**30 s is beyond any delay that somebody would set, and no larger number need be made.
    return min(longest, timedelta(seconds=2 ** min(failures - free, 30)))
