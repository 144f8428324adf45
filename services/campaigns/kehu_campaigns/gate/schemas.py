"""Requests and answers about decisions."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from kehu_campaigns.gate.rules import Reason
from kehu_chassis.schemas import Id, In, Out
from kehu_contracts.codes import Channel, DecisionOutcome, Purpose

__all__ = ["ContactDecisionIn", "ContactDecisionOut", "DecisionOut"]


class ContactDecisionIn(In):
    """A contact that somebody thinks of. Purpose and channel are the campaign's when one is named."""

    customer_id: UUID
    campaign_id: UUID | None = None
    channel: Channel | None = None
    purpose: Purpose | None = None


class ContactDecisionOut(Out):
    """What the gate says of it now. Nothing was written: a campaign's own decision is made when it sends."""

    customer_id: Id
    campaign_id: Id | None
    purpose: Purpose
    channel: Channel
    outcome: DecisionOutcome
    reason: Reason
    not_before: datetime | None
    decided_at: datetime
    persisted: Literal[False]


class DecisionOut(Out):
    """The one decision about a member of an audience."""

    id: Id
    campaign_id: Id
    customer_id: Id
    survivor_id: Id
    purpose: Purpose
    channel: Channel
    outcome: DecisionOutcome
    reason: Reason
    decided_at: datetime
