"""Where the console logs in: at the built-in issuer, or at any other that has a discovery document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import httpx
from pydantic import SecretStr

from kehu_chassis.database import Database
from kehu_chassis.problems import DependencyUnavailable
from kehu_gateway.issuer.service import GrantRefused, Issuer

__all__ = ["BuiltInProvider", "DiscoveredProvider", "Provider", "TokensRefused"]


class TokensRefused(Exception):
    """The issuer gives no tokens for this code or refresh token."""


class Provider(Protocol):
    """An OpenID provider, as far as the console's log-in needs it."""

    @property
    def issuer(self) -> str:
        """The `iss` of its tokens."""
        ...

    async def authorization_endpoint(self) -> str:
        """Where the browser is sent to log in."""
        ...

    async def tokens(self, form: Mapping[str, str]) -> Mapping[str, Any]:
        """The answer to a token request; client and secret are added.

        Raises:
            TokensRefused: the issuer refuses.
            DependencyUnavailable: it does not answer.
        """
        ...


class BuiltInProvider:
    """The issuer in this process."""

    def __init__(self, issuer: Issuer, database: Database, client_id: str) -> None:
        self._issuer = issuer
        self._database = database
        self._client_id = client_id

    @property
    def issuer(self) -> str:
        """The `iss` of its tokens."""
        return self._issuer.address

    async def authorization_endpoint(self) -> str:
        """Where the browser is sent to log in."""
        return f"{self._issuer.address}/oauth2/authorize"

    async def tokens(self, form: Mapping[str, str]) -> Mapping[str, Any]:
        """The answer to a token request."""
        try:
            return await self._issuer.grant(self._database, {**form, "client_id": self._client_id})
        except GrantRefused as refusal:
            raise TokensRefused(refusal.error) from None


class DiscoveredProvider:
    """An issuer elsewhere, known by its discovery document, which is read when first needed.

    Each call may take 3 s and is not retried: a code serves once, and the browser can start again.
    """

    def __init__(
        self, issuer: str, client_id: str, client_secret: SecretStr | None, transport: httpx.AsyncBaseTransport | None
    ) -> None:
        self._issuer = issuer
        self._client_id = client_id
        self._client_secret = client_secret
        self._client = httpx.AsyncClient(timeout=3.0, transport=transport, trust_env=False)
        self._endpoints: Mapping[str, str] | None = None

    @property
    def issuer(self) -> str:
        """The `iss` of its tokens."""
        return self._issuer

    async def authorization_endpoint(self) -> str:
        """Where the browser is sent to log in."""
        return (await self._discovered())["authorization_endpoint"]

    async def tokens(self, form: Mapping[str, str]) -> Mapping[str, Any]:
        """The answer to a token request."""
        endpoint = (await self._discovered())["token_endpoint"]
        sent = {**form, "client_id": self._client_id}
        if self._client_secret is not None:
            sent["client_secret"] = self._client_secret.get_secret_value()
        try:
            response = await self._client.post(endpoint, data=sent)
            content = response.json()
        except (httpx.HTTPError, ValueError):
            raise DependencyUnavailable("The issuer does not answer.", detail_zh="身份服务暂时无响应。") from None
        if response.status_code >= 500:
            raise DependencyUnavailable("The issuer does not answer.", detail_zh="身份服务暂时无响应。")
        if not response.is_success or not isinstance(content, dict):
            raise TokensRefused(str(content.get("error", "")) if isinstance(content, dict) else "")
        return content

    async def close(self) -> None:
        """Give the connections back."""
        await self._client.aclose()

    async def _discovered(self) -> Mapping[str, str]:
        if self._endpoints is None:
            try:
                response = await self._client.get(f"{self._issuer}/.well-known/openid-configuration")
                response.raise_for_status()
                self._endpoints = _endpoints(response.json(), self._issuer)
            except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError):
                raise DependencyUnavailable("The issuer does not answer.", detail_zh="身份服务暂时无响应。") from None
        return self._endpoints


def _endpoints(told: Mapping[str, str], issuer: str) -> Mapping[str, str]:
    # OpenID Connect Discovery 1.0, 4.3: the document of another issuer must not be used.
    if told["issuer"].rstrip("/") != issuer:
        raise ValueError("the document names another issuer")
    return {name: str(told[name]) for name in ("authorization_endpoint", "token_endpoint")}
