"""A running suite as those who use it meet it: through the gateway, with tokens of its built-in issuer."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from kehu_local.api import token_of_client, token_of_user
from kehu_local.plan import Plan

PATIENCE = 300.0


@dataclass
class Visitors:
    """Clients with tokens: of demo users, and of systems of the bank, whose names have a hyphen."""

    plan: Plan
    _clients: dict[str, httpx.Client] = field(default_factory=dict)

    def user(self, name: str) -> httpx.Client:
        """A client through the gateway, as a demo user."""
        return self._client(name, lambda: token_of_user(self.plan, name))

    def system(self, name: str) -> httpx.Client:
        """The same as a system of the bank."""
        return self._client(name, lambda: token_of_client(self.plan, name))

    def _client(self, name: str, token: Callable[[], str]) -> httpx.Client:
        if name not in self._clients:
            self._clients[name] = httpx.Client(
                base_url=self.plan.gateway_url, headers={"Authorization": f"Bearer {token()}"}, timeout=30
            )
        return self._clients[name]

    def get(self, user: str, path: str, **parameters: Any) -> Any:
        """The answer to a user's GET, which must succeed."""
        answer = self.user(user).get(path, params=parameters)
        assert answer.status_code == 200, f"{path}: {answer.text}"
        return answer.json()

    def every(self, user: str, path: str, **parameters: Any) -> list[Any]:
        """All items of a list."""
        items: list[Any] = []
        cursor: dict[str, str] = {}
        while True:
            page = self.get(user, path, limit=200, **parameters, **cursor)
            items += page["items"]
            if page["next_cursor"] is None:
                return items
            cursor = {"cursor": page["next_cursor"]}

    def post(self, name: str, path: str, content: dict[str, Any] | None = None, status: int = 201) -> Any:
        """A write of a user or a system, with a key of its own, which must be answered with the status."""
        client = self.system(name) if "-" in name else self.user(name)
        answer = client.post(path, json=content, headers={"Idempotency-Key": uuid.uuid4().hex})
        assert answer.status_code == status, f"{path}: {answer.text}"
        return answer.json()

    @staticmethod
    def eventually(condition: Callable[[], bool], what: str, *, within: float = PATIENCE) -> float:
        """Wait until a condition holds, and tell how many seconds that took."""
        began = time.monotonic()
        while not condition():
            if time.monotonic() - began > within:
                raise TimeoutError(f"not within {within:.0f} s: {what}")
            time.sleep(0.2)
        return time.monotonic() - began

    def close(self) -> None:
        """Let go of the connections."""
        for client in self._clients.values():
            client.close()
