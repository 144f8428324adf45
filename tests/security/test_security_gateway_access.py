"""The gateway's own routes: each asks for what this table says, of every role."""

from __future__ import annotations

from typing import Final

import httpx
import jwt
import pytest

from kehu_contracts.access import PERMISSIONS, Permission, Role

from .conftest import Gateway

READ, WRITE = Permission.OPERATIONS_READ, Permission.OPERATIONS_WRITE
ASKS: Final[dict[str, Permission | None]] = {
    "GET /api/v1/customers/{customer_id}/overview": Permission.CUSTOMER_READ,
    # Whoever has a token; what he is told is cut to his permissions and his reach.
    "GET /api/v1/events": None,
    "GET /api/v1/operations": READ,
    "GET /api/v1/operations/gateway/audit": Permission.AUDIT_READ,
    "GET /api/v1/operations/gateway/consumers": READ,
    "GET /api/v1/operations/gateway/dead-letters": READ,
    "GET /api/v1/operations/gateway/dead-letters/{dead_letter_id}": READ,
    "GET /api/v1/operations/gateway/health": READ,
    "GET /api/v1/operations/gateway/outbox": READ,
    "GET /api/v1/webhooks": READ,
    "GET /api/v1/webhooks/{webhook_id}": READ,
    "GET /api/v1/webhooks/{webhook_id}/deliveries": READ,
    # Who reads it can speak for the bank.
    "GET /api/v1/webhooks/{webhook_id}/secret": WRITE,
    "PATCH /api/v1/webhooks/{webhook_id}": WRITE,
    "DELETE /api/v1/webhooks/{webhook_id}": WRITE,
    "POST /api/v1/operations/gateway/consumers/{subscription}/resumptions": WRITE,
    "POST /api/v1/operations/gateway/dead-letters/{dead_letter_id}/redrives": WRITE,
    "POST /api/v1/operations/gateway/dead-letters/{dead_letter_id}/skips": WRITE,
    "POST /api/v1/webhooks": WRITE,
    "POST /api/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redrives": WRITE,
    "POST /api/v1/webhooks/{webhook_id}/secrets": WRITE,
}
OPEN: Final = {"GET /auth/session", "POST /auth/logout"}
"""For browsers that have no session yet, or want to have none."""
NAMES: Final = ("customer_id", "dead_letter_id", "webhook_id", "delivery_id")
USERS: Final = ("rm", "handler", "marketer", "compliance", "head", "operator", "auditor")


@pytest.fixture(scope="session")
async def tokens(running_gateway: Gateway) -> dict[str, str]:
    """A token of a demo user of each role."""
    return {user: await running_gateway.token(user) for user in USERS}


def permissions_of(token: str) -> frozenset[Permission]:
    """What the roles in a token allow."""
    roles = jwt.decode(token, options={"verify_signature": False})["roles"]
    return frozenset().union(*(PERMISSIONS[Role(role)] for role in roles))


async def answer_of(client: httpx.AsyncClient, operation: str) -> tuple[int, str]:
    """Status and code of a problem; a stream is left as soon as it begins."""
    method, _, template = operation.partition(" ")
    path = template.format(subscription="directory", **dict.fromkeys(NAMES, "01890000-0000-7000-8000-000000000000"))
    body: dict[str, str] | None = {} if method in {"POST", "PATCH"} else None
    async with client.stream(method, path, json=body) as answer:
        if answer.is_success:
            return answer.status_code, ""
        await answer.aread()
        return answer.status_code, answer.json()["code"]


async def test_the_table_has_every_route_of_the_gateway(gateway: Gateway, tokens: dict[str, str]) -> None:
    async with gateway.client(tokens["operator"]) as client:
        document = (await client.get("/openapi.json")).json()
    found = {
        f"{method.upper()} {path}": operation["x-permission"]
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }
    asked = {operation: asks.value if asks else "authenticated" for operation, asks in ASKS.items()}
    assert found == asked | dict.fromkeys(OPEN, "public")


@pytest.mark.parametrize("operation", ASKS)
async def test_nobody_gets_in_without_a_token_or_permission(
    gateway: Gateway, tokens: dict[str, str], operation: str
) -> None:
    async with gateway.client() as nobody:
        assert await answer_of(nobody, operation) == (401, "auth.token_invalid")
    asks = ASKS[operation]
    for user, token in tokens.items():
        async with gateway.client(token) as client:
            status, code = await answer_of(client, operation)
        if asks is None or asks in permissions_of(token):
            assert status < 500, (user, code)
            assert status not in {401, 403}, user
        else:
            assert (status, code) == (403, "auth.forbidden"), user
