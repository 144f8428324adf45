"""Parties as the bank states them: registered once, restated in order, never with a name in clear."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from kehu_contracts.access import Role
from kehu_contracts.bank import IdentityDocument, PartyIdentity
from kehu_contracts.customer import CustomerRegistered, CustomerState, OwnershipChanged

LEAKS = ("王伟", "13800138000", "11010519491231002X")


async def dump(bank: Any) -> str:
    """All that the schema's tables hold, texts and bytes alike."""
    tables = await bank.rows(
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = 'customer' AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
        " AND has_table_privilege(c.oid, 'SELECT')"
    )
    kept = []
    for table in tables:
        rows = await bank.rows(f'SELECT to_jsonb(t)::text AS row FROM "{table["relname"]}" t')  # noqa: S608  names of tables
        for row in rows:
            kept.append(row["row"])
            kept += [
                bytes.fromhex(value[2:]).decode(errors="replace")
                for value in json.loads(row["row"]).values()
                if isinstance(value, str) and value.startswith("\\x")
            ]
    return "\n".join(kept)


async def test_a_party_becomes_a_customer_with_its_source_record(bank: Any, outbox_rows: Callable[..., Any]) -> None:
    party = bank.party("P1", "B1", rm_staff_number="M1")
    await bank.send(party)
    customer_id = await bank.customer_id("P1")
    (row,) = await bank.rows("SELECT unit_id, primary_rm_id, customer_number FROM customers WHERE id = $1", customer_id)
    assert row["unit_id"] == await bank.unit_id("B1")
    assert row["primary_rm_id"] == await bank.staff_id("M1")
    (record,) = await bank.rows("SELECT customer_id, body, source_sequence FROM source_records")
    assert record["customer_id"] == customer_id
    assert json.loads(record["body"])["identity"] == party.identity
    assert record["source_sequence"] == 1
    (told,) = await outbox_rows(CustomerRegistered)
    assert told["data"]["customer_id"] == str(customer_id)


async def test_a_repeated_party_changes_nothing(bank: Any, outbox_rows: Callable[..., Any]) -> None:
    (message,) = await bank.send(bank.party("P1"))
    told = await outbox_rows()
    await bank.send(message, replace(message, id=uuid4()))
    assert await outbox_rows() == told
    assert await bank.value("SELECT count(*) FROM customers") == 1


async def test_an_older_statement_of_a_party_is_ignored(bank: Any) -> None:
    older = bank.message(bank.party("P1", occupation="1-01"))
    newer = bank.message(bank.party("P1", occupation="2-02"))
    await bank.send(newer)
    await bank.send(older)
    assert await bank.value("SELECT occupation FROM customers") == "2-02"
    assert await bank.value("SELECT source_sequence FROM source_records") == newer.sequence


async def test_a_party_waits_for_its_unit_and_its_manager(bank: Any) -> None:
    await bank.send(bank.party("P1", "B9", rm_staff_number="M9"))
    assert await bank.value("SELECT waiting_for FROM parked_messages") == "unit:/B9"
    await bank.send(bank.unit("B9", "HO"))
    assert await bank.value("SELECT waiting_for FROM parked_messages") == "staff:/M9"
    assert await bank.value("SELECT count(*) FROM customers") == 0
    await bank.send(bank.staff("M9", "B9"))
    assert await bank.value("SELECT count(*) FROM parked_messages") == 0
    assert await bank.value("SELECT primary_rm_id FROM customers") == await bank.staff_id("M9")


async def test_a_new_owner_stated_by_the_source_takes_over(bank: Any, outbox_rows: Callable[..., Any]) -> None:
    await bank.send(bank.party("P1", "B1"))
    await bank.send(bank.party("P1", "B2", rm_staff_number="M2"))
    (told,) = await outbox_rows(OwnershipChanged)
    assert told["data"]["unit_id"] == str(await bank.unit_id("B2"))
    assert told["data"]["primary_rm_id"] == str(await bank.staff_id("M2"))
    assert (await outbox_rows(CustomerState))[-1]["data"]["unit_id"] == str(await bank.unit_id("B2"))
    subject = await bank.rows("SELECT unit_id, manager_id FROM scope_subjects")
    assert subject == [{"unit_id": await bank.unit_id("B2"), "manager_id": await bank.staff_id("M2")}]


@pytest.mark.parametrize(
    "spoil",
    [
        {"identity": {"name": "王伟"}},
        {"identity": json.dumps({"name": "王伟"}, ensure_ascii=False)},
        {"name": "王伟"},
        {"phone": "13800138000", "gender": "none such"},
    ],
)
async def test_a_person_named_in_clear_is_refused_and_leaves_no_trace(
    bank: Any, outbox_rows: Callable[..., Any], spoil: dict[str, Any]
) -> None:
    told = await outbox_rows()
    good = bank.message(bank.party("P1"))
    body = json.dumps(json.loads(good.body) | spoil, ensure_ascii=False).encode()
    await bank.send(replace(good, body=body))
    (dead,) = await bank.rows("SELECT reason, body FROM dead_letters")
    assert dead == {"reason": "the message names a person in clear", "body": None}
    assert await bank.value("SELECT count(*) FROM customers") == 0
    # The only event is the one that tells operators of the dead letter.
    (alarm,) = [row for row in await outbox_rows() if row not in told]
    assert alarm["topic"] == "kehu.dead-letter.v1"
    kept = await dump(bank)
    assert not any(leak in kept for leak in LEAKS)


async def test_an_identity_under_another_key_is_refused_with_its_body(bank: Any) -> None:
    sealed = bank.party("P1").identity
    header, empty, iv, text, tag = sealed.split(".")
    await bank.send(bank.party("P2").model_copy(update={"identity": ".".join((header, empty, iv, text, tag[::-1]))}))
    (dead,) = await bank.rows("SELECT reason, body FROM dead_letters")
    assert dead["reason"].startswith("the identity cannot be decrypted")
    assert dead["body"] is not None


async def test_a_wrong_check_digit_is_dead_and_its_reason_quotes_nothing(bank: Any) -> None:
    wrong = IdentityDocument(type="resident_id", number="110105194912310021")
    identity = PartyIdentity(name="王伟", documents=(wrong,))
    await bank.send(bank.party("P1", identity=identity), bank.party("P2"))
    (dead,) = await bank.rows("SELECT key, reason FROM dead_letters")
    assert dead["key"] == "P1"
    assert "/documents/0/number" in dead["reason"]
    assert "110105194912310021" not in dead["reason"]
    assert await bank.value("SELECT count(*) FROM customers") == 1


async def test_no_table_holds_a_name_or_number_in_clear(bank: Any) -> None:
    number = IdentityDocument(type="resident_id", number="11010519491231002X")
    await bank.send(bank.party("P1", identity=PartyIdentity(name="王伟", documents=(number,))))
    kept = await dump(bank)
    assert "P1" in kept
    assert not any(leak in kept for leak in LEAKS)


async def test_a_source_record_is_found_within_reach_only(bank: Any, app_client: Callable[..., Any]) -> None:
    await bank.send(bank.party("P1", "B1"), bank.account("A1", "P1"))
    query = "/api/v1/source-records?source=core&source_id="
    own = await app_client(Role.RELATIONSHIP_MANAGER, staff_id=await bank.staff_id("M1"))
    sibling = await app_client(Role.RELATIONSHIP_MANAGER, staff_id=await bank.staff_id("M2"))
    (party,) = (await own.get(f"{query}P1")).json()["items"]
    assert party["customer_id"] == str(await bank.customer_id("P1"))
    assert party["statement"]["identity"].count(".") == 4
    (account,) = (await own.get(f"{query}A1")).json()["items"]
    assert account["kind"] == "account"
    assert (await sibling.get(f"{query}P1")).json() == (await own.get(f"{query}P9")).json()
    assert (await sibling.get(f"{query}A1")).json()["items"] == []
