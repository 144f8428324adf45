"""Registering, changing and removing endpoints; what is added to their queues; what operators send again."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import delete, insert, update

from kehu_chassis import audit
from kehu_chassis.auth import Principal
from kehu_chassis.clock import technical_now
from kehu_chassis.columns import new_id
from kehu_chassis.database import Record, Transaction
from kehu_chassis.http import check_version
from kehu_chassis.problems import Conflict, NotFound, ValidationProblem
from kehu_gateway.streams.rules import PERMISSIONS_OF_TYPES
from kehu_gateway.webhooks import queries, rules
from kehu_gateway.webhooks.schemas import WebhookChangeIn, WebhookIn
from kehu_gateway.webhooks.secrets import SecretKeeper
from kehu_gateway.webhooks.tables import webhook_deliveries, webhooks

__all__ = [
    "NotDead",
    "SecretLost",
    "add_deliveries",
    "change_webhook",
    "redrive",
    "register_webhook",
    "remove_webhook",
    "reveal_secret",
    "rotate_secret",
    "told_secret",
]

TYPES: Final = frozenset(event.event_type for event in PERMISSIONS_OF_TYPES)
_REASONS: Final[Mapping[str, tuple[str, str]]] = {
    "malformed": ("This is no https URL", "不是有效的 https 地址"),
    "credentials_or_fragment": ("A URL carries no password and no fragment", "地址不得包含凭据或片段"),
    "not_https": ("Only https is taken", "仅支持 https"),
    "address_forbidden": ("Messages may not go to this address", "不允许向该地址发送消息"),
}


class NotDead(Conflict):
    """Only a message that was given up can be sent again."""

    code = "webhook.not_dead"
    title = "This message was not given up"
    title_zh = "该消息并未被放弃投递"


class SecretLost(Conflict):
    """Neither the key of webhooks nor the session key opens the secret."""

    code = "webhook.secret_lost"
    title = "The key of this secret is gone; make a new secret"
    title_zh = "该密钥已无法解密，请重新生成"


async def register_webhook(  # noqa: PLR0913  who registers what, when, and what is allowed
    tx: Transaction,
    given: WebhookIn,
    *,
    actor: Principal,
    now: datetime,
    keeper: SecretKeeper,
    allowed: Sequence[rules.Network],
) -> Record:
    """Register an endpoint; its first secret is made here and read at `/secret`."""
    _check(given.url, given.event_types, allowed)
    webhook_id = new_id()
    await tx.execute(
        insert(webhooks).values(
            webhook_id=webhook_id,
            name=given.name,
            url=given.url,
            event_types=sorted(set(given.event_types)),
            active=True,
            created_at=now,
            changed_at=now,
            **keeper.first(webhook_id),
        )
    )
    await _record(tx, actor, "registered", webhook_id, now, {"url": given.url, "types": list(given.event_types)})
    return await queries.read_webhook(tx, webhook_id)


async def change_webhook(  # noqa: PLR0913  who changes what, when, and what is allowed
    tx: Transaction,
    webhook_id: UUID,
    given: WebhookChangeIn,
    expected: int,
    *,
    actor: Principal,
    now: datetime,
    allowed: Sequence[rules.Network],
) -> Record:
    """Change an endpoint."""
    row = await queries.lock_webhook(tx, webhook_id)
    check_version(row["version"], expected)
    values = given.model_dump(exclude_none=True)
    _check(given.url or row["url"], given.event_types or row["event_types"], allowed)
    if "event_types" in values:
        values["event_types"] = sorted(set(values["event_types"]))
    await tx.execute(
        update(webhooks)
        .where(webhooks.c.webhook_id == webhook_id)
        .values(**values, changed_at=now, version=webhooks.c.version + 1)
    )
    await _record(tx, actor, "changed", webhook_id, now, {"fields": sorted(values)})
    return await queries.read_webhook(tx, webhook_id)


async def remove_webhook(tx: Transaction, webhook_id: UUID, *, actor: Principal, now: datetime) -> None:
    """Remove an endpoint and everything that waits for it."""
    row = await queries.lock_webhook(tx, webhook_id)
    await tx.execute(delete(webhooks).where(webhooks.c.webhook_id == webhook_id))
    await _record(tx, actor, "removed", webhook_id, now, {"url": row["url"]})


async def rotate_secret(
    tx: Transaction, webhook_id: UUID, *, actor: Principal, now: datetime, keeper: SecretKeeper
) -> Record:
    """Make a new secret. For a day messages carry a signature by the old one too."""
    row = await queries.lock_webhook(tx, webhook_id)
    await tx.execute(
        update(webhooks)
        .where(webhooks.c.webhook_id == webhook_id)
        .values(
            previous_until=technical_now() + rules.SECRET_OVERLAP,
            changed_at=now,
            version=webhooks.c.version + 1,
            **keeper.next(row),
        )
    )
    await _record(tx, actor, "secret_rotated", webhook_id, now, {})
    return await queries.read_webhook(tx, webhook_id)


async def reveal_secret(tx: Transaction, webhook_id: UUID, *, actor: Principal, now: datetime) -> Record:
    """The endpoint with its sealed secrets; that they were looked at is recorded."""
    row = await queries.lock_webhook(tx, webhook_id)
    await _record(tx, actor, "secret_revealed", webhook_id, now, {})
    return row


async def redrive(  # noqa: PLR0913  who sends what again, when and why
    tx: Transaction, webhook_id: UUID, delivery_id: UUID, *, actor: Principal, reason: str, now: datetime
) -> Record:
    """Send a message again that was given up, with all its attempts before it."""
    table = webhook_deliveries.c
    where = (table.webhook_id == webhook_id, table.delivery_id == delivery_id)
    changed = await tx.first(
        update(webhook_deliveries)
        .where(*where, table.state == "dead")
        .values(state="pending", attempts=0, next_attempt_at=technical_now(), settled_at=None)
        .returning(webhook_deliveries)
    )
    if changed is None:
        known = await tx.first(queries.deliveries(webhook_id, None).where(*where))
        raise NotDead if known is not None else NotFound
    details = {"webhook_id": str(webhook_id), "event_id": str(changed["event_id"])}
    resource = ("webhook_delivery", delivery_id)
    await audit.record(
        tx, actor=actor, action="webhook.redriven", resource=resource, at=now, details=details, reason=reason
    )
    return changed


_ADD: Final = """
INSERT INTO webhook_deliveries (webhook_id, event_id, type, subject, sequence, at, body, state, attempts, added_at,
                                next_attempt_at)
SELECT webhook_id, event_id, type, subject, sequence, at, body, 'pending', 0, $2, $2
FROM live_events JOIN webhooks ON active AND type = ANY (event_types)
WHERE position = ANY ($1::bigint[])
ORDER BY position
"""


async def add_deliveries(tx: Transaction, positions: Sequence[int], now: datetime) -> None:
    """Queue events of the log for every active endpoint that wants their type; in the transaction that logs them."""
    await tx.connection.execute(_ADD, positions, now)


def told_secret(secret: bytes) -> str:
    """A secret as its receiver is told it."""
    return f"whsec_{base64.b64encode(secret).decode()}"


def _check(url: str, types: Sequence[str], allowed: Sequence[rules.Network]) -> None:
    try:
        rules.check_url(url, allowed)
    except rules.UrlRefused as refused:
        reason, reason_zh = _REASONS[str(refused)]
        raise ValidationProblem(
            errors=[{"pointer": "/url", "code": str(refused), "detail": reason, "detail_zh": reason_zh}]
        ) from None
    unknown = sorted(set(types) - TYPES)
    if unknown:
        raise ValidationProblem(
            errors=[
                {
                    "pointer": "/event_types",
                    "code": "unknown_type",
                    "detail": "There is no such event type",
                    "detail_zh": "没有该事件类型",
                }
            ]
        )


async def _record(  # noqa: PLR0913, PLR0917  what an audit row tells
    tx: Transaction, actor: Principal, what: str, webhook_id: UUID, now: datetime, details: Mapping[str, Any]
) -> None:
    await audit.record(
        tx, actor=actor, action=f"webhook.{what}", resource=("webhook", webhook_id), at=now, details=details
    )
