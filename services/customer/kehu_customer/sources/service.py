"""Business actions on what source systems say of parties: register who is new, restate who is known."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, DateTime, Uuid, bindparam, select
from sqlalchemy.dialects.postgresql import insert

from kehu_chassis.clock import Clock
from kehu_chassis.columns import Text
from kehu_chassis.database import Record, Transaction
from kehu_chassis.message import Message, Refused
from kehu_contracts.bank import BankParty, PartyIdentity
from kehu_customer.deeds import bank_date
from kehu_customer.organization.service import bank_key
from kehu_customer.ownership.service import OwnerChange, change_owners
from kehu_customer.parties.drafts import ContactDraft, DocumentDraft, PartyDraft
from kehu_customer.parties.rules import PartyRefused, check_draft
from kehu_customer.parties.service import register_parties, restate_party
from kehu_customer.rows import arrays, given
from kehu_customer.sources import keys
from kehu_customer.sources.identity import IdentityReader, IdentityRefused
from kehu_customer.sources.keys import Kind, SourceKey, waiting_for
from kehu_customer.sources.rules import clear_identity, is_compact_jwe, last_of_each, rising
from kehu_customer.sources.statements import Statement, hold
from kehu_customer.sources.tables import source_records
from kehu_customer.vault import Vault

__all__ = ["Intake", "state_parties"]


@dataclass(frozen=True, slots=True)
class Intake:
    """What is needed to take the bank's messages."""

    reader: IdentityReader
    vault: Vault
    clock: Clock


Party = Statement[BankParty]


@dataclass(frozen=True, slots=True)
class _Known:
    """A statement about a customer that there is already, and the source's record of them before it."""

    statement: Party
    draft: PartyDraft
    customer_id: UUID
    before: Record


_STANDING: Final = select(
    source_records.c.source,
    source_records.c.source_id,
    source_records.c.source_sequence,
    source_records.c.unit_code,
    source_records.c.rm_staff_number,
).where(source_records.c.customer_id == bindparam("customer_ids", type_=ARRAY(Uuid)).any_())

_COLUMNS: Final = (
    "source",
    "source_id",
    "customer_id",
    "body",
    "unit_code",
    "rm_staff_number",
    "source_sequence",
    "stated_at",
    "received_at",
)
_records = given(
    "given",
    source=Text,
    source_id=Text,
    customer_id=Uuid,
    body=Text,
    unit_code=Text,
    rm_staff_number=Text,
    source_sequence=BigInteger,
    stated_at=DateTime(timezone=True),
    received_at=DateTime(timezone=True),
)
_insert_records = insert(source_records).from_select(list(_COLUMNS), select(*(_records.c[name] for name in _COLUMNS)))
_PUT_RECORDS: Final = _insert_records.on_conflict_do_update(
    index_elements=["source", "source_id"],
    set_={name: _insert_records.excluded[name] for name in _COLUMNS if name not in {"source", "source_id"}},
)


async def state_parties(tx: Transaction, messages: Sequence[Message], intake: Intake) -> list[str]:
    """Take parties as a source states them; gives the names under which messages wait for those that are new.

    Raises:
        Refused: a person is named in clear, or an identity cannot be read or cannot be right.
    """
    stated = _read(messages, intake.reader)
    unit_ids = await keys.find_or_await(tx, Kind.UNIT, {bank_key(each.body.unit_code) for each in stated})
    managers = {each.body.rm_staff_number for each in stated}
    staff_ids = await keys.find_or_await(tx, Kind.STAFF, {bank_key(number) for number in managers if number})
    placed = await _hold_unplaced(tx, stated, unit_ids, staff_ids)

    locked = await keys.lock(tx, Kind.PARTY, {each.key for each in placed})
    customer_ids = {key: customer_id for key, customer_id in locked.items() if customer_id is not None}
    rows = await tx.all(_STANDING, {"customer_ids": list(customer_ids.values())}) if customer_ids else []
    standing = {SourceKey(row["source"], row["source_id"]): row for row in rows}
    news = rising(
        placed,
        key=lambda each: each.key,
        sequence=lambda each: each.sequence,
        standing={key: row["source_sequence"] for key, row in standing.items()},
    )
    latest = last_of_each(news, key=lambda each: each.key)
    now = intake.clock.now()
    on = bank_date(now)
    drafts = {key: _draft(each, intake.reader, unit_ids, staff_ids, on) for key, each in latest.items()}

    new = await _register(tx, {key: each for key, each in latest.items() if key not in standing}, drafts, intake, now)
    restated = [
        _Known(each, drafts[key], customer_ids[key], standing[key]) for key, each in latest.items() if key in standing
    ]
    for known in restated:
        await _restate(tx, known, intake, now)
    await _hand_over(tx, restated, now)
    customer_ids.update(new)
    if latest:
        record_rows = [_record_row(each, customer_ids[key], intake.reader, now) for key, each in latest.items()]
        await tx.execute(_PUT_RECORDS, arrays(_COLUMNS, record_rows))
    return await keys.arrive(tx, Kind.PARTY, new)


def _read(messages: Iterable[Message], reader: IdentityReader) -> list[Party]:
    stated = []
    for message in messages:
        in_clear = clear_identity(message.body)
        if in_clear and not reader.accept_clear:
            raise Refused("the message names a person in clear", keep_body=False)
        try:
            body = message.parse()
        except Refused as refusal:
            raise Refused(refusal.reason, keep_body=not in_clear) from None
        assert isinstance(body, BankParty)
        stated.append(Statement(message, body))
    return stated


async def _hold_unplaced(
    tx: Transaction, stated: Sequence[Party], unit_ids: dict[SourceKey, UUID], staff_ids: dict[SourceKey, UUID]
) -> list[Party]:
    placed, waiting = [], []
    for each in stated:
        unit = bank_key(each.body.unit_code)
        manager = bank_key(each.body.rm_staff_number) if each.body.rm_staff_number else None
        if unit not in unit_ids:
            waiting.append((each, waiting_for(Kind.UNIT, unit)))
        elif manager is not None and manager not in staff_ids:
            waiting.append((each, waiting_for(Kind.STAFF, manager)))
        else:
            placed.append(each)
    await hold(tx, waiting)
    return placed


def _draft(
    each: Party, reader: IdentityReader, places: Mapping[SourceKey, UUID], managers: Mapping[SourceKey, UUID], on: date
) -> PartyDraft:
    body = each.body
    try:
        identity = reader.open(body.identity) if is_compact_jwe(body.identity) else reader.read(body.identity)
    except IdentityRefused as refusal:
        raise Refused(str(refusal), keep_body=is_compact_jwe(body.identity)) from None
    draft = PartyDraft(
        kind=body.kind,
        name=identity.name,
        latin_name=identity.latin_name,
        former_name=identity.former_name,
        gender=body.gender,
        status=body.status,
        birth_date=identity.birth_date,
        nationality=body.nationality,
        industry=body.industry,
        occupation=body.occupation,
        customer_since=body.customer_since,
        unit_id=places[bank_key(body.unit_code)],
        primary_rm_id=managers[bank_key(body.rm_staff_number)] if body.rm_staff_number else None,
        contacts=_contacts(identity),
        documents=_documents(identity),
    )
    try:
        return check_draft(draft, on)
    except PartyRefused as refusal:
        # Its text names fields and codes, no values.
        raise Refused(f"the party cannot be right: {refusal}") from None


def _contacts(identity: PartyIdentity) -> tuple[ContactDraft, ...]:
    return tuple(ContactDraft(each.type, each.value, each.division_code) for each in identity.contacts)


def _documents(identity: PartyIdentity) -> tuple[DocumentDraft, ...]:
    return tuple(
        DocumentDraft(each.type, each.number, each.issuer, each.valid_from, each.valid_until)
        for each in identity.documents
    )


async def _register(
    tx: Transaction,
    parties: dict[SourceKey, Party],
    drafts: dict[SourceKey, PartyDraft],
    intake: Intake,
    now: datetime,
) -> dict[SourceKey, UUID]:
    if not parties:
        return {}
    actor = f"source:{','.join(sorted({key.source for key in parties}))}"
    registered = await register_parties(tx, intake.vault, [drafts[key] for key in parties], actor=actor, at=now)
    return {key: party.customer_id for key, party in zip(parties, registered, strict=True)}


async def _restate(tx: Transaction, known: _Known, intake: Intake, now: datetime) -> None:
    actor = f"source:{known.statement.body.source}"
    await restate_party(tx, intake.vault, known.customer_id, known.draft, actor=actor, at=now)


async def _hand_over(tx: Transaction, stated: Sequence[_Known], now: datetime) -> None:
    changes = []
    for known in stated:
        before, body = known.before, known.statement.body
        # A source that repeats the owner it stated before does not take back a hand-over made in Kehu.
        if (before["unit_code"], before["rm_staff_number"]) != (body.unit_code, body.rm_staff_number):
            assert known.draft.unit_id is not None
            changes.append(OwnerChange(known.customer_id, known.draft.unit_id, known.draft.primary_rm_id))
    if changes:
        await change_owners(tx, changes, reason="stated by the source", actor="source", at=now)


def _record_row(each: Party, customer_id: UUID, reader: IdentityReader, now: datetime) -> tuple[object, ...]:
    return (
        *each.key,
        customer_id,
        _sealed_body(each, reader),
        each.body.unit_code,
        each.body.rm_staff_number,
        each.sequence,
        each.message.time,
        now,
    )


def _sealed_body(each: Party, reader: IdentityReader) -> str:
    # Where nothing may come in clear, nothing has got as far as this.
    if not (reader.accept_clear and clear_identity(each.message.body)):
        return each.message.body.decode()
    # What a migration let in clear is not kept in clear.
    fields = each.body.model_dump(mode="json")
    if not is_compact_jwe(each.body.identity):
        fields["identity"] = reader.seal(reader.read(each.body.identity))
    return json.dumps(fields, ensure_ascii=False)
