"""Registering endpoints of partner systems, and what becomes of their messages."""

from __future__ import annotations

from typing import Annotated, Any, cast
from uuid import UUID

from fastapi import Request, Response

from kehu_chassis.auth import Principal
from kehu_chassis.database import Record
from kehu_chassis.http import IfMatch, Now, Tx, etag, requires, router, runtime_of
from kehu_chassis.operations import ReasonIn
from kehu_chassis.paging import CursorQuery, Page, PageRows, keyset, page_rows
from kehu_chassis.problems import problems
from kehu_contracts.access import Permission
from kehu_gateway.resources import resources_of
from kehu_gateway.settings import Settings
from kehu_gateway.webhooks import queries, rules, service
from kehu_gateway.webhooks.schemas import (
    DeliveryOut,
    DeliveryState,
    SecretOut,
    WebhookChangeIn,
    WebhookIn,
    WebhookOut,
)
from kehu_gateway.webhooks.secrets import SecretKeeper
from kehu_gateway.webhooks.service import NotDead, SecretLost
from kehu_gateway.webhooks.tables import webhook_deliveries

__all__ = ["routes"]

routes = router("/webhooks", tags=["webhooks"])
Reader = Annotated[Principal, requires(Permission.OPERATIONS_READ)]
Operator = Annotated[Principal, requires(Permission.OPERATIONS_WRITE)]


def _settings(request: Request) -> Settings:
    return cast("Settings", runtime_of(request).settings)


def _keeper(request: Request) -> SecretKeeper:
    return resources_of(request).webhook_secrets


def _allowed(request: Request) -> tuple[rules.Network, ...]:
    return _settings(request).webhook_networks


@routes.get("", response_model=list[WebhookOut])
async def list_webhooks(_: Reader, tx: Tx) -> list[Record]:
    """Every endpoint, with what waits for it."""
    return await queries.all_webhooks(tx)


@routes.post("", response_model=WebhookOut, status_code=201)
async def register_webhook(  # noqa: PLR0913, PLR0917  what a route takes
    request: Request, body: WebhookIn, actor: Operator, tx: Tx, now: Now, response: Response
) -> Record:
    """Register an endpoint. It gets every event of its types from now on, of the whole bank."""
    made = await service.register_webhook(
        tx, body, actor=actor, now=now, keeper=_keeper(request), allowed=_allowed(request)
    )
    response.headers["ETag"] = etag(made["version"])
    return made


@routes.get("/{webhook_id}", response_model=WebhookOut, responses=problems(404))
async def read_webhook(webhook_id: UUID, _: Reader, tx: Tx, response: Response) -> Record:
    """One endpoint."""
    found = await queries.read_webhook(tx, webhook_id)
    response.headers["ETag"] = etag(found["version"])
    return found


@routes.patch("/{webhook_id}", response_model=WebhookOut, responses=problems(404))
async def change_webhook(  # noqa: PLR0913, PLR0917  what a route takes
    request: Request,
    webhook_id: UUID,
    body: WebhookChangeIn,
    version: IfMatch,
    actor: Operator,
    tx: Tx,
    now: Now,
    response: Response,
) -> Record:
    """Change where messages go, which events, or whether any are sent."""
    changed = await service.change_webhook(
        tx, webhook_id, body, version, actor=actor, now=now, allowed=_allowed(request)
    )
    response.headers["ETag"] = etag(changed["version"])
    return changed


@routes.delete("/{webhook_id}", response_model=None, status_code=204, responses=problems(404))
async def remove_webhook(webhook_id: UUID, actor: Operator, tx: Tx, now: Now) -> None:
    """Remove an endpoint and what waits for it."""
    await service.remove_webhook(tx, webhook_id, actor=actor, now=now)


@routes.get("/{webhook_id}/secret", response_model=SecretOut, responses=problems(404, SecretLost, 503))
async def reveal_webhook_secret(
    request: Request, webhook_id: UUID, actor: Operator, response: Response
) -> dict[str, Any]:
    """The secret for the receiver's settings. That it was read stands in the audit."""
    runtime = runtime_of(request)
    # A read that is recorded: it writes, and its answer is kept nowhere, as that of a POST might be.
    async with runtime.database.begin(scope=actor.scope) as tx:
        row = await service.reveal_secret(tx, webhook_id, actor=actor, now=runtime.clock.now())
    response.headers["Cache-Control"] = "no-store"
    told = [service.told_secret(secret) for secret in _keeper(request).opened(row)]
    if not told:
        raise SecretLost
    previous = told[1] if len(told) > 1 else None
    return {
        "secret": told[0],
        "previous_secret": previous,
        "previous_secret_until": row["previous_until"] if previous else None,
    }


@routes.post("/{webhook_id}/secrets", response_model=WebhookOut, status_code=201, responses=problems(404))
async def rotate_webhook_secret(  # noqa: PLR0913, PLR0917  what a route takes
    request: Request, webhook_id: UUID, actor: Operator, tx: Tx, now: Now, response: Response
) -> Record:
    """Make a new secret. For a day messages carry a signature by the old one too."""
    changed = await service.rotate_secret(tx, webhook_id, actor=actor, now=now, keeper=_keeper(request))
    response.headers["ETag"] = etag(changed["version"])
    return changed


@routes.get("/{webhook_id}/deliveries", response_model=Page[DeliveryOut], responses=problems(404))
async def list_webhook_deliveries(
    webhook_id: UUID, page: CursorQuery, _: Reader, tx: Tx, state: DeliveryState | None = None
) -> PageRows:
    """The messages to an endpoint of the last 30 days, newest first, without their content."""
    await queries.read_webhook(tx, webhook_id)
    statement = keyset(
        queries.deliveries(webhook_id, state), (webhook_deliveries.c.delivery_id,), page, descending=True
    )
    return page_rows(await tx.all(statement), page, ("delivery_id",))


@routes.post(
    "/{webhook_id}/deliveries/{delivery_id}/redrives",
    response_model=DeliveryOut,
    status_code=202,
    responses=problems(404, NotDead),
)
async def redrive_webhook_delivery(  # noqa: PLR0913, PLR0917  what a route of two ids takes
    webhook_id: UUID, delivery_id: UUID, body: ReasonIn, actor: Operator, tx: Tx, now: Now
) -> Record:
    """Send a message again that was given up."""
    return await service.redrive(tx, webhook_id, delivery_id, actor=actor, reason=body.reason, now=now)
