"""Business actions on consent: an entry of the ledger changes what stands, and what stands decides about contacts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, insert
from sqlalchemy.dialects.postgresql import insert as upsert

from kehu_chassis import audit, outbox
from kehu_chassis.database import Record, Transaction
from kehu_chassis.problems import FieldProblem, ValidationProblem
from kehu_contracts.codes import Channel, ConsentStatus, CustomerStatus, Purpose
from kehu_contracts.customer import ConsentChanged
from kehu_customer.consents import queries
from kehu_customer.consents.rules import (
    CHANNEL_CONTACTS,
    WHOLE_CHANNEL,
    Candidate,
    LawfulBasis,
    Party,
    Standing,
    Verdict,
    needs_consent,
    resolve,
)
from kehu_customer.consents.tables import consent_entries, standing_consents
from kehu_customer.deeds import Deed
from kehu_customer.kinship import party_ids
from kehu_customer.parties.queries import lock_customer
from kehu_customer.parties.rules import PERSONS
from kehu_customer.parties.sealing import BIRTH_DATE, CONTACT
from kehu_customer.parties.state import emit_state
from kehu_customer.vault import Vault

__all__ = ["ConsentEntry", "Resolution", "record_consent", "resolve_contacts"]

_STATED: Final = ("customer_id", "purpose", "channel", "status", "effective_at")
_ENTER: Final = (
    insert(consent_entries)
    .values(
        {
            name: bindparam(name)
            for name in (
                *_STATED,
                "contact_point_id",
                "lawful_basis",
                "notice_version",
                "proof",
                "actor",
                "recorded_at",
            )
        }
    )
    .returning(consent_entries)
)
_given: Final = upsert(standing_consents).values(
    {name: bindparam(name) for name in (*_STATED, "target_id", "entry_id")}
)
# An entry stands unless a later one does.
_LET_STAND: Final = _given.on_conflict_do_update(
    index_elements=["customer_id", "purpose", "channel", "target_id"],
    set_={name: _given.excluded[name] for name in ("status", "effective_at", "entry_id")},
    where=standing_consents.c.effective_at <= _given.excluded.effective_at,
)


@dataclass(frozen=True, slots=True)
class ConsentEntry:
    """What somebody consented to or withdrew. Without a contact point it covers the whole channel."""

    purpose: Purpose
    channel: Channel
    contact_point_id: UUID | None
    status: ConsentStatus
    lawful_basis: LawfulBasis
    notice_version: str
    proof: str
    effective_at: datetime | None


def _refused(field: str, code: str, detail: str, detail_zh: str) -> ValidationProblem:
    error: FieldProblem = {"pointer": f"/{field}", "code": code, "detail": detail, "detail_zh": detail_zh}
    return ValidationProblem(errors=[error])


async def record_consent(tx: Transaction, deed: Deed, customer_id: UUID, entry: ConsentEntry) -> Record:
    """Write an entry; what stands changes unless a later entry is known already, and then its event is told.

    Raises:
        NotFound: there is no such customer in the caller's scope.
        ValidationProblem: the entry cannot be right.
    """
    await lock_customer(tx, customer_id)
    await _check(tx, deed, customer_id, entry)
    effective_at = entry.effective_at or deed.at
    values = {
        "customer_id": customer_id,
        "purpose": entry.purpose,
        "channel": entry.channel,
        "status": entry.status,
        "effective_at": effective_at,
    }
    told = {
        "contact_point_id": entry.contact_point_id,
        "lawful_basis": entry.lawful_basis,
        "notice_version": entry.notice_version,
        "proof": entry.proof,
        "actor": deed.actor_name,
        "recorded_at": deed.at,
    }
    written = await tx.one(_ENTER, {**values, **told})
    target_id = entry.contact_point_id or WHOLE_CHANNEL
    if await tx.execute(_LET_STAND, {**values, "target_id": target_id, "entry_id": written["id"]}):
        await _tell(tx, deed, customer_id, entry, effective_at)
    await audit.record(
        tx,
        actor=deed.actor,
        action=f"consent.{entry.status}",
        resource=("customer", customer_id),
        at=deed.at,
        details={"purpose": entry.purpose, "channel": entry.channel, "entry_id": str(written["id"])},
    )
    return written


async def _check(tx: Transaction, deed: Deed, customer_id: UUID, entry: ConsentEntry) -> None:
    if entry.effective_at is not None and entry.effective_at > deed.at:
        raise _refused("effective_at", "consent.in_future", "A consent cannot lie in the future.", "时间不能在将来")
    if needs_consent(entry.purpose) and entry.lawful_basis is not LawfulBasis.CONSENT:
        detail = "This purpose rests on consent alone (PIPL Art. 13 and 24)."
        raise _refused("lawful_basis", "consent.basis", detail, "该目的只能以个人同意为依据")
    if entry.contact_point_id is None:
        return
    point: Any = await queries.lock_contact_point(tx, customer_id, entry.contact_point_id)
    if point is None or point["type"] != CHANNEL_CONTACTS[entry.channel]:
        detail = "The customer has no such contact point for this channel."
        raise _refused("contact_point_id", "consent.contact_point", detail, "客户没有适用于该渠道的此联系方式")


async def _tell(tx: Transaction, deed: Deed, customer_id: UUID, entry: ConsentEntry, effective_at: datetime) -> None:
    event = ConsentChanged(
        customer_id=customer_id,
        purpose=entry.purpose,
        channel=entry.channel,
        contact_point_id=entry.contact_point_id,
        status=entry.status,
        notice_version=entry.notice_version,
        effective_at=effective_at,
    )
    outbox.add(tx, event, at=deed.at)
    # What one of them consents to counts for all that are one party.
    await emit_state(tx, await party_ids(tx, customer_id), at=deed.at)


@dataclass(frozen=True, slots=True)
class Resolution:
    """The verdict on one customer, with what is needed to reach it when it is allowed."""

    customer_id: UUID
    verdict: Verdict
    survivor_id: UUID | None = None
    contact_point_id: UUID | None = None
    contact_value: str | None = None
    language: str | None = None


async def resolve_contacts(
    tx: Transaction, deed: Deed, customer_ids: Sequence[UUID], purpose: Purpose, channel: Channel
) -> list[Resolution]:
    """The authoritative verdicts on a batch of contacts, in the order of the ids; the batch is audited."""
    rows = {row["id"]: row for row in await queries.groups(tx, customer_ids)}
    standings: dict[UUID, list[Standing]] = defaultdict(list)
    for row in await queries.standings(tx, list(rows), purpose, channel):
        standings[row["customer_id"]].append(
            Standing(row["target_id"], ConsentStatus(row["status"]), row["effective_at"])
        )
    contact_type = CHANNEL_CONTACTS[channel]
    points = await queries.contact_points_of(tx, list(rows), contact_type) if contact_type else []
    batch = _Batch(deed.vault, rows, standings, {point["id"]: point for point in points})
    found = [batch.resolve(customer_id, channel, deed.on) for customer_id in customer_ids]
    allowed = sum(resolution.verdict is Verdict.ALLOWED for resolution in found)
    await audit.record(
        tx,
        actor=deed.actor,
        action="contacts.resolved",
        resource=("purpose", purpose),
        at=deed.at,
        details={"channel": channel, "asked": len(found), "allowed": allowed},
    )
    return found


class _Batch:
    """The rows of a batch, grouped by who is one party with whom."""

    def __init__(
        self,
        vault: Vault,
        rows: dict[UUID, Any],
        standings: dict[UUID, list[Standing]],
        points: dict[UUID, Any],
    ) -> None:
        self._vault = vault
        self._rows = rows
        self._standings = standings
        self._points = points
        self._members: dict[UUID, list[Any]] = defaultdict(list)
        for row in rows.values():
            self._members[row["survivor_id"]].append(row)
        self._points_of: dict[UUID, list[Any]] = defaultdict(list)
        for point in points.values():
            self._points_of[point["customer_id"]].append(point)

    def resolve(self, customer_id: UUID, channel: Channel, on: date) -> Resolution:
        row = self._rows.get(customer_id)
        if row is None:
            return Resolution(customer_id, Verdict.UNKNOWN_CUSTOMER)
        verdict, point_id = resolve(self._party(row), channel, on)
        if verdict is not Verdict.ALLOWED or point_id is None:
            return Resolution(customer_id, verdict, row["survivor_id"], language=row["language"])
        point = self._points[point_id]
        key = self._vault.key_of(self._rows[point["customer_id"]])
        value = self._vault.open(key, point["value_sealed"], CONTACT, point_id)
        return Resolution(customer_id, verdict, row["survivor_id"], point_id, value, row["language"])

    def _party(self, row: Any) -> Party:
        members = self._members[row["survivor_id"]]
        deceased = any(member["status"] == CustomerStatus.DECEASED for member in members)
        candidates = (
            Candidate(point["id"], point["is_primary"], point["created_at"])
            for member in members
            for point in self._points_of[member["id"]]
        )
        return Party(
            customer_id=row["id"],
            survivor_id=row["survivor_id"],
            status=CustomerStatus.DECEASED if deceased else CustomerStatus(row["status"]),
            birth_date=self._birth_date(row),
            standings=tuple(tuple(self._standings[member["id"]]) for member in members),
            candidates=tuple(candidates),
        )

    def _birth_date(self, row: Any) -> date | None:
        # A company's birth date is the day of its registration.
        if row["kind"] not in PERSONS or row["birth_date_sealed"] is None:
            return None
        key = self._vault.key_of(row)
        return date.fromisoformat(self._vault.open(key, row["birth_date_sealed"], BIRTH_DATE, row["id"]))
