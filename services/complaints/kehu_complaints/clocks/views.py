"""How clocks become answers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from kehu_chassis.database import Record, Transaction
from kehu_complaints.clocks import queries
from kehu_complaints.clocks.library import Rulebook
from kehu_complaints.clocks.model import LedgerEntry, Pack
from kehu_complaints.clocks.rules import Offer, is_overdue, offers, review_until, used
from kehu_complaints.clocks.service import read_clock
from kehu_complaints.clocks.words import describe, describe_offer
from kehu_contracts.access import Permission

__all__ = ["clock_view"]


async def clock_view(tx: Transaction, rulebook: Rulebook, case: Record, now: datetime) -> dict[str, Any]:
    """Both clocks of a case as they stand at a moment, computed from the ledger that is given with them."""
    rows = await queries.entries_of(tx, case["complaint_id"])
    ledger = [queries.as_entry(row) for row in rows]
    standing = await queries.clocks_of(tx, case["complaint_id"])
    return {
        "complaint_id": case["complaint_id"],
        "complaint_number": case["complaint_number"],
        "as_of": now,
        "clocks": [
            _reading(rulebook, standing[name], ledger, now) for name in ("statutory", "internal") if name in standing
        ],
        "ledger": rows,
    }


def _reading(rulebook: Rulebook, standing: Record, ledger: Sequence[LedgerEntry], now: datetime) -> dict[str, Any]:
    reading = read_clock(rulebook, standing, ledger)
    pack, clock = reading.pack, reading.clock
    calendar = rulebook.library.latest_calendar(pack.calendar)
    amount_used = used(clock, now, pack, calendar)
    return {
        "clock": pack.clock,
        "pack": {"id": pack.id, "version": pack.version, "title": pack.title},
        "calendar": {
            "id": calendar.id,
            "version": calendar.version,
            "title": calendar.title,
            "first_day": calendar.first_day,
            "last_day": calendar.last_day,
        },
        "rule_id": clock.limit.rule_id,
        "rule": clock.limit.words,
        "status": clock.status,
        "started_at": clock.started_at,
        "unit": clock.limit.unit,
        "limit": clock.limit.amount,
        "used": amount_used,
        "due_on": clock.deadline.due_on,
        "due_at": clock.deadline.due_at,
        "provisional": clock.deadline.provisional,
        "overdue": is_overdue(clock, now),
        "stopped_at": clock.stopped_at,
        "extensions": clock.extensions,
        "awaiting_notice": clock.granted,
        "pauses": clock.pauses,
        "can_extend": [_offer(offer, pack) for offer in offers(clock, pack, calendar, now)],
        "review_until": review_until(ledger, pack),
        "words": describe(clock, pack, now, amount_used),
    }


def _offer(offer: Offer, pack: Pack) -> dict[str, Any]:
    extension = offer.extension
    return {
        "code": extension.code,
        "rule_id": extension.rule_id,
        "due_on": offer.deadline.due_on,
        "due_at": offer.deadline.due_at,
        "provisional": offer.deadline.provisional,
        "ready": offer.ready,
        "needs_approval": extension.approval,
        "permission": Permission.COMPLAINT_APPROVE_EXTENSION if extension.approval else None,
        "needs_notice": extension.notice,
        "who": extension.who,
        "words": describe_offer(offer, pack),
    }
