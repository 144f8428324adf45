"""Who did what: plain rows in the transaction of the deed, sealed later into a hash chain.

    await audit.record(tx, actor=actor, action="customer.revealed", resource=("customer", customer_id), at=now,
                       details={"fields": ["phone"]}, reason=body.reason)

Details carry ids, codes and field names, never personal data. Chaining inside the transaction would make all writers
wait for one another; so a job of the worker chains them afterwards: see `audit_chain`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Index,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    Uuid,
    bindparam,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, insert

from kehu_chassis.auth import Principal
from kehu_chassis.clock import technical_now
from kehu_chassis.columns import new_id
from kehu_chassis.database import Transaction
from kehu_chassis.tracing import current_trace_id

__all__ = ["PARTITIONS", "SEARCH_INDEXES", "audit", "audit_seals", "record", "tables"]


def tables(metadata: MetaData) -> tuple[Table, ...]:
    """The audit rows (partitioned by year of recording, see `PARTITIONS`) and their seals, in a metadata of the caller's."""
    return (
        Table(
            "audit",
            metadata,
            Column("audit_id", Uuid, nullable=False),
            Column("recorded_at", DateTime(timezone=True), nullable=False, comment="Technical time."),
            Column("at", DateTime(timezone=True), nullable=False, comment="Business time."),
            Column("actor", Text, nullable=False),
            Column("staff_id", Uuid),
            Column("action", Text, nullable=False),
            Column("resource_type", Text, nullable=False),
            Column("resource_id", Text, nullable=False),
            Column("reason", Text),
            Column("details", JSONB, nullable=False),
            Column("trace_id", Text, nullable=False),
            Column(
                "transaction_id", BigInteger, nullable=False, server_default=text("pg_current_xact_id()::text::bigint")
            ),
            PrimaryKeyConstraint("audit_id", "recorded_at"),
            Index("ix_audit_resource", "resource_type", "resource_id", "at"),
            Index("ix_audit_transaction", "transaction_id", "audit_id"),
            postgresql_partition_by="RANGE (recorded_at)",
        ),
        Table(
            "audit_seals",
            metadata,
            Column("position", BigInteger, primary_key=True, autoincrement=False),
            Column("audit_id", Uuid, nullable=False, unique=True),
            Column("transaction_id", BigInteger, nullable=False),
            Column("hash", LargeBinary, nullable=False),
        ),
    )


PARTITIONS: Final = (
    *(
        f"CREATE TABLE audit_{year} PARTITION OF audit FOR VALUES FROM ('{year}-01-01Z') TO ('{year + 1}-01-01Z')"
        for year in range(2026, 2036)
    ),
    "CREATE TABLE audit_other PARTITION OF audit DEFAULT",
)
"""Run once after `audit` was created. What is recorded after the last year lands in the default partition."""

SEARCH_INDEXES: Final = {
    "ix_audit_at": "(at, audit_id)",
    "ix_audit_actor": "(actor, at, audit_id)",
    "ix_audit_staff": "(staff_id, at, audit_id) WHERE staff_id IS NOT NULL",
    "ix_audit_action": "(action, at, audit_id)",
}
"""What `audit_search` reads by beside `ix_audit_resource`; a revision of each service's creates them."""

audit, audit_seals = tables(MetaData())

_insert = insert(audit).values(
    **{
        name: bindparam(name)
        for name in (
            "audit_id",
            "recorded_at",
            "at",
            "actor",
            "staff_id",
            "action",
            "resource_type",
            "resource_id",
            "reason",
            "details",
            "trace_id",
        )
    }
)


async def record(  # noqa: PLR0913 - an audit row answers who, what, on what, when and why.
    tx: Transaction,
    *,
    actor: Principal | str,
    action: str,
    resource: tuple[str, UUID | str],
    at: datetime,
    details: Mapping[str, Any] | None = None,
    reason: str | None = None,
) -> None:
    """Write one audit row; it stands or falls with the transaction. Does nothing in a replay.

    Args:
        tx: the transaction of the deed.
        actor: who did it; a name such as `worker:timers` where no principal acts.
        action: what was done, `noun.past_tense`.
        resource: type and id of what it was done to.
        at: business time.
        details: JSON without personal data.
        reason: what the actor gave as reason.
    """
    if not tx.side_effects:
        return
    kind, identity = resource
    await tx.execute(
        _insert,
        {
            "audit_id": new_id(),
            "recorded_at": technical_now(),
            "at": at,
            "actor": actor if isinstance(actor, str) else actor.subject,
            "staff_id": None if isinstance(actor, str) else actor.staff_id,
            "action": action,
            "resource_type": kind,
            "resource_id": str(identity),
            "reason": reason,
            "details": dict(details or {}),
            "trace_id": current_trace_id(),
        },
    )
