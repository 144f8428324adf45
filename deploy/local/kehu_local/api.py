"""The suite's HTTP API, as the command line uses it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, Self

import httpx

from kehu_local.failures import START_IT, Failed
from kehu_local.plan import Plan

__all__ = ["Api", "token_of_client", "token_of_user"]

TIMEOUT: Final = httpx.Timeout(30.0, connect=3.0)


class Api:
    """Calls through the gateway with one token. A refusal is a `Failed` that quotes the problem."""

    def __init__(self, plan: Plan, token: str) -> None:
        self._client = httpx.Client(
            base_url=plan.gateway_url, headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUT
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, path: str, **parameters: Any) -> Any:
        """Read a resource."""
        return self._call("GET", path, params={key: value for key, value in parameters.items() if value is not None})

    def post(self, path: str, body: object) -> Any:
        """Create a resource."""
        return self._call("POST", path, json=body)

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        try:
            response = self._client.request(method, path, **arguments)
        except httpx.TransportError as error:
            raise Failed(f"{self._client.base_url} does not answer: {error}", START_IT) from error
        if response.is_success:
            return response.json() if response.content else None
        raise Failed(_problem(response), f"The request was {method} {path}.")


def token_of_user(plan: Plan, user: str) -> str:
    """An access token of a demo user, from the built-in issuer. Raises `Failed`."""
    return _token(plan, {"grant_type": "password", "username": user, "password": f"{user}-demo", "client_id": "kehu"})


def token_of_client(plan: Plan, client: str) -> str:
    """An access token of a system, by the client credentials grant. Raises `Failed`."""
    path: Path = plan.client_secrets / client
    try:
        secret = path.read_text(encoding="utf-8")
    except OSError as error:
        known = ", ".join(sorted(file.name for file in path.parent.glob("*"))) or "none"
        raise Failed(f"There is no client {client!r}: {error}", f"The clients are: {known}.") from error
    return _token(plan, {"grant_type": "client_credentials", "client_id": client, "client_secret": secret})


def _token(plan: Plan, form: dict[str, str]) -> str:
    try:
        response = httpx.post(f"{plan.gateway_url}/oauth2/token", data=form, timeout=TIMEOUT)
    except httpx.TransportError as error:
        raise Failed(f"{plan.gateway_url} does not answer: {error}", START_IT) from error
    if not response.is_success:
        remedy = "Tokens are given by the built-in issuer only, to its demo users and clients."
        raise Failed(_problem(response), remedy)
    token: str = response.json()["access_token"]
    return token


def _problem(response: httpx.Response) -> str:
    try:
        body = response.json()
    except json.JSONDecodeError:
        body = {}
    told = body.get("detail") or body.get("title") or body.get("error_description") or body.get("error") or "no reason"
    code = body.get("code", "")
    places = "".join(f"; {error['pointer']}: {error['detail']}" for error in body.get("errors", []))
    return f"{response.status_code} {code} {told}".replace("  ", " ") + places
