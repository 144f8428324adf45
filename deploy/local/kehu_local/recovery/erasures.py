"""Who was erased after a backup was made is erased again when it is restored."""

from __future__ import annotations

from uuid import UUID

from kehu_chassis.ledger import Ledger
from kehu_chassis.scope import EVERYTHING
from kehu_customer.erasures.service import ERASED, destroy
from kehu_local.definitions import open_worker
from kehu_local.plan import Plan
from kehu_local.secrets import Secrets

__all__ = ["repeat"]


async def repeat(plan: Plan, secrets: Secrets) -> int:
    """Erase all that the suite's ledger names; tells how many the backup still knew."""
    named = {UUID(note["customer_id"]) for note in Ledger(plan.ledger_of("customer"), "customer").read(ERASED)}
    async with (
        open_worker(plan, secrets, "customer", "restore") as runtime,
        runtime.database.begin(scope=EVERYTHING) as tx,
    ):
        # One whom the backup does not know yet came and went after it.
        erased = await destroy(
            tx, sorted(named), actor="kehu restore", at=runtime.clock.now(), reason="erased before the restore"
        )
    return len(erased)
