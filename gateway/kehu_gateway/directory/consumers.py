"""Kafka: the organisation, and the unit of whatever a live event may be about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from kehu_chassis.database import Transaction
from kehu_chassis.message import Message
from kehu_chassis.scope_facts import ScopeStaff, ScopeSubject, ScopeUnit, put_staff, put_subjects, put_units
from kehu_chassis.subscription import Subscription
from kehu_contracts.base import Contract
from kehu_contracts.campaign import CampaignStateChanged
from kehu_contracts.complaint import ComplaintReceived
from kehu_contracts.customer import CustomerRegistered, CustomerState
from kehu_contracts.organization import StaffChanged, UnitChanged

__all__ = ["DIRECTORY", "note_new_subjects"]

_NOTE: Final = """
INSERT INTO scope_subjects (subject_id, survivor_id, unit_id)
SELECT subject_id, subject_id, unit_id FROM unnest($1::uuid[], $2::uuid[]) AS given (subject_id, unit_id)
ORDER BY subject_id ON CONFLICT (subject_id) DO NOTHING
"""


async def note_new_subjects(tx: Transaction, events: Sequence[Contract]) -> None:
    """Make the unit of what begins with these events known, unless more is known already.

    For a consumer that runs ahead of the directory: an event must not be taken for one that nobody may see.
    """
    new = {found.subject_id: found for event in events for found in _subjects(event)}
    if new:
        await tx.connection.execute(_NOTE, list(new), [found.unit_id for found in new.values()])


async def _put(tx: Transaction, messages: Sequence[Message]) -> None:
    events = [message.parse() for message in messages]
    units = [event for event in events if isinstance(event, UnitChanged)]
    staff = [event for event in events if isinstance(event, StaffChanged)]
    await put_units(tx, [ScopeUnit(unit.unit_id, unit.parent_id, unit.active) for unit in units])
    await put_staff(tx, [ScopeStaff(member.staff_id, member.unit_id, member.active) for member in staff])
    await put_subjects(tx, [found for event in events for found in _subjects(event)])


def _subjects(event: Contract) -> Iterator[ScopeSubject]:
    match event:
        case CustomerState():
            yield ScopeSubject(event.customer_id, event.survivor_id, event.unit_id, event.primary_rm_id)
        case CustomerRegistered():
            yield ScopeSubject(event.customer_id, event.customer_id, event.unit_id)
        case ComplaintReceived():
            yield ScopeSubject(event.complaint_id, event.complaint_id, event.unit_id)
        case CampaignStateChanged():
            yield ScopeSubject(event.campaign_id, event.campaign_id, event.unit_id)


DIRECTORY: Final = Subscription(
    name="gateway-directory",
    topics=("kehu.organization.v1", "kehu.customer-state.v1", "kehu.complaint.v1", "kehu.campaign.v1"),
    types=(UnitChanged, StaffChanged, CustomerState, ComplaintReceived, CampaignStateChanged),
    handle=_put,
    projection_tables=("scope_units", "scope_staff", "scope_subjects"),
)
