"""The issuer's grants: code, refresh, client credentials, and the password grant of the command line."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import delete, insert

from kehu_chassis.clock import technical_now
from kehu_chassis.database import Database, Transaction
from kehu_gateway.issuer.accounts import Account, Accounts
from kehu_gateway.issuer.keys import SigningKeys
from kehu_gateway.issuer.rules import AuthorizationRequest, verifier_fits
from kehu_gateway.issuer.tables import authorization_codes, refresh_tokens

__all__ = ["CLI_CLIENT", "GrantRefused", "Issuer", "forget_expired"]

CLI_CLIENT: Final = "kehu"
"""The command line, which asks for tokens of demo users by password; a log-in page is of no use to a script."""
_CODE_LIFE: Final = timedelta(seconds=60)
_REFRESH_LIFE: Final = timedelta(hours=12)
_CONSOLE_TOKEN_LIFE: Final = timedelta(minutes=10)
_DIRECT_TOKEN_LIFE: Final = timedelta(hours=1)


class GrantRefused(Exception):
    """A token is not given.

    Attributes:
        error: the OAuth error code.
    """

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error
        self.description = description


class Issuer:
    """Hands out tokens.

    Args:
        address: the issuer's name in tokens, and where it is reached.
        audience: whom access tokens are for.
        accounts: who may log in.
        keys: sign the tokens.
        console_client: the client id of the console.
        redirect_uri: where the console's log-in comes back to.
    """

    def __init__(  # noqa: PLR0913 - who hands out what to whom.
        self,
        *,
        address: str,
        audience: str,
        accounts: Accounts,
        keys: SigningKeys,
        console_client: str,
        redirect_uri: str,
    ) -> None:
        self.address = address
        self.accounts = accounts
        self.keys = keys
        self.redirect_uris: Mapping[str, frozenset[str]] = {console_client: frozenset({redirect_uri})}
        self._audience = audience

    async def issue_code(self, tx: Transaction, request: AuthorizationRequest, account: Account) -> str:
        """A code that the client may redeem once, within a minute."""
        code = secrets.token_urlsafe(32)
        await tx.execute(
            insert(authorization_codes).values(
                code_digest=_digest(code),
                client_id=request.client_id,
                redirect_uri=request.redirect_uri,
                subject=account.subject,
                code_challenge=request.code_challenge,
                nonce=request.nonce,
                expires_at=technical_now() + _CODE_LIFE,
            )
        )
        return code

    async def grant(self, database: Database, form: Mapping[str, str]) -> Mapping[str, Any]:
        """Answer a token request.

        Raises:
            GrantRefused: it is not in order.
        """
        match form.get("grant_type"):
            case "authorization_code":
                return await self._redeem_code(database, form)
            case "refresh_token":
                return await self._refresh(database, form)
            case "client_credentials":
                return self._client_credentials(form)
            case "password":
                return await self._password(form)
        raise GrantRefused("unsupported_grant_type", "this grant is not offered")

    async def _redeem_code(self, database: Database, form: Mapping[str, str]) -> Mapping[str, Any]:
        async with database.begin() as tx:
            # Taken out before it is looked at: a code serves once, also for whoever guesses at its verifier.
            found = await tx.first(
                delete(authorization_codes)
                .where(authorization_codes.c.code_digest == _digest(form.get("code", "")))
                .returning(authorization_codes)
            )
        account = None if found is None else self.accounts.user(found["subject"])
        if found is None or account is None or found["expires_at"] <= technical_now():
            raise GrantRefused("invalid_grant", "the code is unknown, used or expired")
        if found["client_id"] != form.get("client_id") or found["redirect_uri"] != form.get("redirect_uri"):
            raise GrantRefused("invalid_grant", "the code was given to another client or address")
        if not verifier_fits(form.get("code_verifier", ""), found["code_challenge"]):
            raise GrantRefused("invalid_grant", "the code_verifier does not fit")
        return await self._with_refresh(database, account, found["client_id"], nonce=found["nonce"])

    async def _refresh(self, database: Database, form: Mapping[str, str]) -> Mapping[str, Any]:
        async with database.begin() as tx:
            found = await tx.first(
                delete(refresh_tokens)
                .where(refresh_tokens.c.token_digest == _digest(form.get("refresh_token", "")))
                .returning(refresh_tokens)
            )
        account = None if found is None else self.accounts.user(found["subject"])
        if found is None or account is None or found["expires_at"] <= technical_now():
            raise GrantRefused("invalid_grant", "the refresh token is unknown, used or expired")
        if found["client_id"] != form.get("client_id"):
            raise GrantRefused("invalid_grant", "the refresh token was given to another client")
        return await self._with_refresh(database, account, found["client_id"], nonce=None)

    async def _with_refresh(
        self, database: Database, account: Account, client_id: str, *, nonce: str | None
    ) -> Mapping[str, Any]:
        refresh = secrets.token_urlsafe(32)
        async with database.begin() as tx:
            await tx.execute(
                insert(refresh_tokens).values(
                    token_digest=_digest(refresh),
                    client_id=client_id,
                    subject=account.subject,
                    expires_at=technical_now() + _REFRESH_LIFE,
                )
            )
        now = int(technical_now().timestamp())
        identity = {
            "iss": self.address,
            "aud": client_id,
            "sub": account.subject,
            "name": account.name,
            "iat": now,
            "exp": now + 300,
            **({"nonce": nonce} if nonce is not None else {}),
        }
        return {
            **self._access_token(account, _CONSOLE_TOKEN_LIFE),
            "refresh_token": refresh,
            "id_token": self.keys.sign(identity),
            "scope": "openid",
        }

    def _client_credentials(self, form: Mapping[str, str]) -> Mapping[str, Any]:
        account = self.accounts.authenticate_client(form.get("client_id", ""), form.get("client_secret", ""))
        if account is None:
            raise GrantRefused("invalid_client", "the client or its secret is not known")
        return self._access_token(account, _DIRECT_TOKEN_LIFE, client_id=account.subject)

    async def _password(self, form: Mapping[str, str]) -> Mapping[str, Any]:
        if form.get("client_id") != CLI_CLIENT:
            raise GrantRefused("unauthorized_client", "this grant is for the command line only")
        account = await self.accounts.authenticate(form.get("username", ""), form.get("password", ""))
        if account is None:
            raise GrantRefused("invalid_grant", "the user or the password is wrong")
        return self._access_token(account, _DIRECT_TOKEN_LIFE)

    def _access_token(self, account: Account, life: timedelta, **more: str) -> dict[str, Any]:
        now = int(technical_now().timestamp())
        claims = {
            "iss": self.address,
            "aud": self._audience,
            "sub": account.subject,
            "name": account.name,
            "roles": [role.value for role in account.roles],
            "iat": now,
            "nbf": now,
            "exp": now + int(life.total_seconds()),
            "jti": secrets.token_hex(16),
            **more,
        }
        if account.staff_id is not None:
            claims["staff_id"] = str(account.staff_id)
        return {
            "access_token": self.keys.sign(claims),
            "token_type": "Bearer",
            "expires_in": int(life.total_seconds()),
        }


async def forget_expired(tx: Transaction) -> None:
    """Delete codes and refresh tokens that nobody can redeem any more."""
    for table in (authorization_codes, refresh_tokens):
        await tx.execute(delete(table).where(table.c.expires_at < technical_now()))


def _digest(value: str) -> bytes:
    return sha256(value.encode()).digest()
