"""What stands by the consent ledger, and what it allows. Pure: no clock, no I/O.

Statuses are ordered by how much they restrict: a withdrawal forbids, no entry at all allows nothing either, only a
grant allows. Where two parties are one, the more restrictive of the two holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from kehu_contracts.codes import Channel, ConsentStatus, CustomerStatus, Purpose

__all__ = [
    "CHANNEL_CONTACTS",
    "WHOLE_CHANNEL",
    "Candidate",
    "LawfulBasis",
    "Party",
    "Standing",
    "Verdict",
    "channel_status",
    "is_minor",
    "most_restrictive",
    "needs_consent",
    "resolve",
    "target_status",
]

WHOLE_CHANNEL: Final = UUID(int=0)
"""The target of a consent that covers a channel and not one contact point."""

CHANNEL_CONTACTS: Final[Mapping[Channel, str | None]] = {
    Channel.SMS: "phone",
    Channel.PHONE: "phone",
    Channel.EMAIL: "email",
    Channel.WECHAT: "wechat",
    Channel.PUSH: None,
    Channel.COUNTER: None,
}
"""The type of contact point a channel reaches; none where the customer comes to the bank or uses its app."""

ADULT_AGE: Final = 18
"""Civil Code of China, Art. 17."""


class LawfulBasis(StrEnum):
    """On what the processing rests (PIPL Art. 13)."""

    CONSENT = "consent"
    CONTRACT = "contract"
    LEGAL_DUTY = "legal_duty"
    EMERGENCY = "emergency"
    PUBLIC_INTEREST = "public_interest"
    DISCLOSED = "disclosed"


class Verdict(StrEnum):
    """Whether a customer may be contacted, and the one reason if not."""

    ALLOWED = "allowed"
    UNKNOWN_CUSTOMER = "unknown_customer"
    MERGED = "merged"
    DECEASED = "deceased"
    CLOSED = "closed"
    MINOR = "minor"
    WITHDRAWN = "withdrawn"
    NO_CONSENT = "no_consent"
    NO_CONTACT_POINT = "no_contact_point"


@dataclass(frozen=True, slots=True)
class Standing:
    """The last word on one target of one purpose and channel."""

    target_id: UUID
    status: ConsentStatus
    effective_at: datetime


@dataclass(frozen=True, slots=True)
class Candidate:
    """A contact point that could be used."""

    contact_point_id: UUID
    is_primary: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Party:
    """What the verdict asks of a customer. `standings` has one list for each party of a merged group."""

    customer_id: UUID
    survivor_id: UUID
    status: CustomerStatus
    birth_date: date | None
    standings: tuple[tuple[Standing, ...], ...]
    candidates: tuple[Candidate, ...]


def needs_consent(purpose: Purpose) -> bool:
    """Whether a purpose rests on consent alone; serving a customer may rest on the contract with him."""
    return purpose is not Purpose.SERVICE


def is_minor(birth_date: date | None, on: date) -> bool:
    """Whether a person born then is under 18. Who is born on 29 February comes of age on 1 March."""
    if birth_date is None:
        return False
    return (on.year - birth_date.year - ((on.month, on.day) < (birth_date.month, birth_date.day))) < ADULT_AGE


def target_status(standings: Iterable[Standing], target_id: UUID) -> ConsentStatus | None:
    """What stands for one contact point.

    A withdrawal for the contact point itself holds until that point is granted again; a withdrawal of the whole channel
    ends every earlier grant; a grant of the whole channel covers points of which nothing is said.
    """
    by_target = {standing.target_id: standing for standing in standings}
    channel = by_target.get(WHOLE_CHANNEL)
    own = by_target.get(target_id) if target_id != WHOLE_CHANNEL else None
    if own is None:
        return channel.status if channel else None
    if (
        channel
        and channel.status is ConsentStatus.WITHDRAWN
        and own.status is ConsentStatus.GRANTED
        and channel.effective_at >= own.effective_at
    ):
        return ConsentStatus.WITHDRAWN
    return own.status


def channel_status(standings: Sequence[Standing]) -> ConsentStatus | None:
    """What stands for the channel as a whole: granted when any of its targets may be used."""
    statuses = {target_status(standings, standing.target_id) for standing in standings}
    if ConsentStatus.GRANTED in statuses:
        return ConsentStatus.GRANTED
    return ConsentStatus.WITHDRAWN if statuses else None


def most_restrictive(statuses: Iterable[ConsentStatus | None]) -> ConsentStatus | None:
    """What holds for parties that are one: a withdrawal of any, else silence of any, else the grant of all."""
    found = set(statuses)
    if ConsentStatus.WITHDRAWN in found:
        return ConsentStatus.WITHDRAWN
    return ConsentStatus.GRANTED if found == {ConsentStatus.GRANTED} else None


def resolve(party: Party, channel: Channel, on: date) -> tuple[Verdict, UUID | None]:
    """The verdict on one contact, and the contact point to use when it is allowed and the channel needs one."""
    if party.survivor_id != party.customer_id:
        return Verdict.MERGED, None
    if party.status is not CustomerStatus.ACTIVE:
        return (Verdict.DECEASED if party.status is CustomerStatus.DECEASED else Verdict.CLOSED), None
    if is_minor(party.birth_date, on):
        return Verdict.MINOR, None
    held = most_restrictive(channel_status(standings) for standings in party.standings)
    if held is not ConsentStatus.GRANTED:
        return (Verdict.WITHDRAWN if held is ConsentStatus.WITHDRAWN else Verdict.NO_CONSENT), None
    if CHANNEL_CONTACTS[channel] is None:
        return Verdict.ALLOWED, None
    return _choose(party)


def _choose(party: Party) -> tuple[Verdict, UUID | None]:
    """The primary contact point first, then the newest, of those that the consent covers."""
    if not party.candidates:
        return Verdict.NO_CONTACT_POINT, None
    refused: set[ConsentStatus | None] = set()
    for candidate in sorted(party.candidates, key=lambda point: (point.is_primary, point.created_at), reverse=True):
        held = _point_status(party, candidate.contact_point_id)
        if held is ConsentStatus.GRANTED:
            return Verdict.ALLOWED, candidate.contact_point_id
        refused.add(held)
    return (Verdict.WITHDRAWN if ConsentStatus.WITHDRAWN in refused else Verdict.NO_CONSENT), None


def _point_status(party: Party, contact_point_id: UUID) -> ConsentStatus | None:
    """The status of a point among the standings of the survivor and of those merged into it.

    A point belongs to one party, so only the parties that speak of it or of the whole channel are asked; that the
    channel as a whole stands for all of them has been settled before.
    """
    spoken = [
        target_status(standings, contact_point_id)
        for standings in party.standings
        if any(standing.target_id in {contact_point_id, WHOLE_CHANNEL} for standing in standings)
    ]
    return most_restrictive(spoken) if spoken else None
