"""Requests and answers about consent."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from kehu_chassis.schemas import Id, In, Line, Moment, Out
from kehu_contracts.codes import Channel, ConsentStatus, Purpose
from kehu_customer.consents.rules import LawfulBasis, Verdict

__all__ = ["ConsentIn", "ConsentOut", "ContactResolutionIn", "ContactResolutionOut", "ContactResolutionsOut"]

MOST_RESOLUTIONS = 1000


class ConsentIn(In):
    """One entry of the ledger: a consent given or withdrawn."""

    purpose: Purpose
    channel: Channel
    contact_point_id: UUID | None = Field(default=None, description="Empty: the whole channel")
    status: ConsentStatus
    lawful_basis: LawfulBasis = LawfulBasis.CONSENT
    notice_version: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._\-]{0,39}$")] = Field(
        description="Version of the privacy notice that was shown"
    )
    proof: Line = Field(description="Where the proof lies: number of a form, a recording, a log line")
    effective_at: Moment | None = Field(default=None, description="Now unless given; never in the future")


class ConsentOut(Out):
    """An entry of the ledger."""

    id: Id
    purpose: Purpose
    channel: Channel
    contact_point_id: Id | None
    status: ConsentStatus
    lawful_basis: LawfulBasis
    notice_version: str
    proof: str
    actor: str
    effective_at: datetime
    recorded_at: datetime


class ContactResolutionIn(In):
    """Whom a campaign wants to contact, for what and how."""

    purpose: Purpose
    channel: Channel
    customer_ids: Annotated[tuple[UUID, ...], Field(min_length=1, max_length=MOST_RESOLUTIONS)]


class ContactResolutionOut(Out):
    """The verdict on one customer. Only an allowed one has a contact value, and none where the channel needs none."""

    customer_id: Id
    verdict: Verdict
    survivor_id: Id | None
    contact_point_id: Id | None
    contact_value: str | None
    language: str | None


class ContactResolutionsOut(Out):
    """One verdict for each customer asked for, in their order."""

    items: list[ContactResolutionOut]
