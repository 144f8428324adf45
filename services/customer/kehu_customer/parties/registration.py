"""Registration: the one way by which a party becomes a customer, for one party or for thousands at once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from kehu_chassis import outbox
from kehu_chassis.database import Transaction
from kehu_chassis.scope_facts import ScopeSubject, put_subjects
from kehu_contracts.customer import CustomerRegistered, CustomerState
from kehu_customer.deeds import Deed
from kehu_customer.ownership.service import open_ownership
from kehu_customer.parties.drafts import PartyDraft, RegisteredParty
from kehu_customer.parties.sealing import PartyRows, seal_party
from kehu_customer.vault import Vault

__all__ = ["register_parties", "register_party"]

# One statement for four tables, so that a registration costs one round trip however many names and documents it has.
# Lists of tokens differ in length, which arrays of arrays cannot have: they come as texts of arrays.
REGISTER: Final = """
WITH names AS (
    INSERT INTO party_names (id, customer_id, type, name_sealed, tokens, index_version, created_at)
    SELECT id, customer_id, type, name_sealed, tokens::int[], index_version, $18
    FROM unnest($19::uuid[], $20::uuid[], $21::text[], $22::bytea[], $23::text[], $24::smallint[])
         AS n (id, customer_id, type, name_sealed, tokens, index_version)
), contacts AS (
    INSERT INTO contact_points (id, customer_id, type, value_sealed, value_index, index_version, division_code, is_primary,
                                verified_at, created_at)
    SELECT c.*, $18
    FROM unnest($25::uuid[], $26::uuid[], $27::text[], $28::bytea[], $29::bytea[], $30::smallint[], $31::text[],
                $32::bool[], $33::timestamptz[]) AS c
), papers AS (
    INSERT INTO documents (id, customer_id, type, number_sealed, number_index, index_version, issuer, valid_from,
                           valid_until, long_term, verified_at, verified_by, created_at)
    SELECT d.*, $18
    FROM unnest($34::uuid[], $35::uuid[], $36::text[], $37::bytea[], $38::bytea[], $39::smallint[], $40::text[],
                $41::date[], $42::date[], $43::bool[], $44::timestamptz[], $45::text[]) AS d
)
INSERT INTO customers (id, survivor_id, kind, status, gender, birth_year, nationality, industry, occupation, language,
                       unit_id, primary_rm_id, customer_since, key_id, wrapped_key, name_sealed, birth_date_sealed,
                       employer_sealed, created_at, updated_at)
SELECT id, id, kind, status, gender, birth_year, nationality, industry, occupation, language, unit_id, primary_rm_id,
       customer_since, key_id, wrapped_key, name_sealed, birth_date_sealed, employer_sealed, $18, $18
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::smallint[], $6::text[], $7::text[], $8::text[],
            $9::text[], $10::uuid[], $11::uuid[], $12::date[], $13::text[], $14::bytea[], $15::bytea[], $16::bytea[],
            $17::bytea[])
     AS c (id, kind, status, gender, birth_year, nationality, industry, occupation, language, unit_id, primary_rm_id,
           customer_since, key_id, wrapped_key, name_sealed, birth_date_sealed, employer_sealed)
RETURNING id, customer_number, version
"""


def _columns(rows: Sequence[Sequence[Any]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]


async def register_parties(
    tx: Transaction, vault: Vault, drafts: Sequence[PartyDraft], *, actor: str, at: datetime
) -> list[RegisteredParty]:
    """Register parties that `rules.check_draft` has let through; tells them in the order of the drafts.

    Writes rows, scope, ownership and events; the caller writes the audit row, since it knows the cause.
    """
    if not drafts:
        return []
    rows = PartyRows()
    deed = Deed(vault, actor, at)
    ids = [seal_party(deed, draft, rows) for draft in drafts]
    # The scope first: row-level security asks it whether the new rows may be seen.
    await put_subjects(
        tx,
        [
            ScopeSubject(customer_id, customer_id, draft.unit_id, draft.primary_rm_id)
            for customer_id, draft in zip(ids, drafts, strict=True)
        ],
    )
    names = _columns(rows.names, 6)
    names[4] = ["{" + ",".join(map(str, tokens)) + "}" for tokens in names[4]]
    written = await tx.connection.fetch(
        REGISTER,
        *_columns(rows.customers, 17),
        at,
        *names,
        *_columns(rows.contacts, 9),
        *_columns(rows.documents, 12),
    )
    numbers = {row["id"]: (row["customer_number"], row["version"]) for row in written}
    registered = [
        RegisteredParty(
            customer_id, numbers[customer_id][0], draft.unit_id, draft.primary_rm_id, numbers[customer_id][1]
        )
        for customer_id, draft in zip(ids, drafts, strict=True)
    ]
    await open_ownership(tx, registered, at=at, actor=actor)
    for party, draft in zip(registered, drafts, strict=True):
        _tell(tx, party, draft, at)
    return registered


async def register_party(
    tx: Transaction, vault: Vault, draft: PartyDraft, *, actor: str, at: datetime
) -> RegisteredParty:
    """Register one party that `rules.check_draft` has let through."""
    (registered,) = await register_parties(tx, vault, [draft], actor=actor, at=at)
    return registered


def _tell(tx: Transaction, party: RegisteredParty, draft: PartyDraft, at: datetime) -> None:
    event = CustomerRegistered(
        customer_id=party.customer_id,
        customer_number=party.customer_number,
        kind=draft.kind,
        unit_id=party.unit_id,
        registered_at=at,
    )
    outbox.add(tx, event, at=at)
    # What `emit_state` would read back: a new customer stands for itself and has consented to nothing.
    state = CustomerState(
        customer_id=party.customer_id,
        customer_number=party.customer_number,
        kind=draft.kind,
        status=draft.status,
        gender=draft.gender,
        birth_year=draft.birth_date.year if draft.birth_date else None,
        unit_id=party.unit_id,
        primary_rm_id=party.primary_rm_id,
        survivor_id=party.customer_id,
        customer_since=draft.customer_since,
        consents=(),
    )
    outbox.add(tx, state, at=at)
