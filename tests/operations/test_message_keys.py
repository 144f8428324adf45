"""Message keys: added beside the old ones, handed over, taken from senders, and retired when nothing needs them."""

from __future__ import annotations

import base64
import json
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from joserfc import jwe
from joserfc.jwk import OctKey

from kehu_chassis.columns import new_id
from kehu_chassis.crypto import KeyRing
from kehu_contracts.bank import PartyIdentity
from kehu_customer.sources.identity import IdentityReader
from kehu_local import key_store
from kehu_local.environment import database_dsn
from kehu_local.failures import Failed
from kehu_local.message_keys import Jwk
from kehu_local.plan import Plan
from kehu_local.secrets import Secrets

PERSON = PartyIdentity(name="王小明")
AT = datetime(2026, 3, 2, 1, tzinfo=UTC)


def sealed(kid: str, key: OctKey) -> str:
    """An identity as a sender seals it, by none of our code."""
    return jwe.encrypt_compact({"alg": "dir", "enc": "A256GCM", "kid": kid}, PERSON.model_dump_json().encode(), key)


def body(kid: str) -> str:
    key = OctKey.import_key(b"k" * 32)
    return json.dumps({"source": "core", "note": "银行\\", "identity": sealed(kid, key)}, ensure_ascii=False)


async def execute(plan: Plan, statement: str, *values: Any) -> list[Any]:
    connection = await asyncpg.connect(database_dsn(plan, Secrets.load_or_make(plan)))
    try:
        rows: list[Any] = await connection.fetch(statement, *values)
        return rows
    finally:
        await connection.close()


WAITING = 'id, type, source, subject, time, sequence, key, body, topic, partition, "offset"'
VALUES = "$1, 'bank.party.stated', 'urn:bank:core', 'P1', $2, 1, 'P1', $3, 'bank.party.v1', 0, 0"


async def park(plan: Plan, kid: str) -> None:
    columns = f"INSERT INTO customer.parked_messages (waiting_for, parked_at, {WAITING})"
    await execute(plan, f"{columns} VALUES ('unit:/B9', $2, {VALUES})", new_id(), AT, body(kid).encode())


async def bury(plan: Plan, kid: str, state: str) -> None:
    columns = (
        "INSERT INTO customer.dead_letters (dead_letter_id, subscription, state, blocks_key, reason, attempts, died_at"
    )
    values = f"$1, 'bank-party', '{state}', true, 'no key', 1, $2, {VALUES}"
    await execute(plan, f"{columns}, {WAITING}) VALUES ({values})", new_id(), AT, body(kid).encode())


async def state_party(plan: Plan, source_id: str, kid: str, at: datetime) -> None:
    """A party whose last statement came under a key."""
    customer_id = new_id()
    await execute(
        plan,
        "INSERT INTO customer.customers (id, kind, status, gender, language, survivor_id, customer_since, key_id,"
        " wrapped_key, name_sealed, created_at, updated_at)"
        " VALUES ($1, 'individual', 'active', 'unknown', 'zh', $1, '2026-01-01', 'kek-1', 'w', 's', now(), now())",
        customer_id,
    )
    await execute(
        plan,
        "INSERT INTO customer.source_records (source, source_id, customer_id, body, unit_code, source_sequence, stated_at,"
        " received_at) VALUES ('core', $1, $2, $3, 'B1', 1, $4, $4)",
        source_id,
        customer_id,
        body(kid),
        at,
    )


async def deeds(plan: Plan, service: str) -> list[tuple[str, str]]:
    rows = await execute(plan, f"SELECT action, resource_id FROM {service}.audit ORDER BY audit_id")  # noqa: S608  ours
    return [(row["action"], row["resource_id"]) for row in rows]


async def standing(plan: Plan) -> dict[str, tuple[bool, dict[str, int], datetime | None]]:
    return {each.name: (each.active, dict(each.rows), each.last_sent) for each in await key_store.standing(plan)}


async def test_a_new_key_is_handed_over_and_messages_under_it_and_the_old_one_open(
    at_rest: Plan, tmp_path: Path
) -> None:
    old = KeyRing.from_file(at_rest.key_file).message_keys["bank-1"]
    assert await key_store.rotate(at_rest, "message", settle=0) == "bank-2"
    ring = KeyRing.from_file(at_rest.key_file)
    assert list(ring.message_keys) == ["bank-1", "bank-2"]
    assert ring.message_keys.active == ("bank-2", ring.message_keys["bank-2"])
    assert ring.message_keys["bank-1"] == old != ring.message_keys["bank-2"]

    file = tmp_path / "bank-2.jwk"
    await key_store.hand_over(at_rest, "bank-2", file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    told = json.loads(file.read_text())
    assert told["kid"] == "bank-2"
    reader = IdentityReader(ring.message_keys)
    assert reader.open(sealed("bank-2", OctKey.import_key(told))) == PERSON
    assert reader.open(sealed("bank-1", OctKey.import_key(old))) == PERSON

    before = file.read_bytes()
    with pytest.raises(Failed, match="cannot be written"):
        await key_store.hand_over(at_rest, "bank-2", file)
    assert file.read_bytes() == before
    with pytest.raises(Failed, match="kek-1 is no message key"):
        await key_store.hand_over(at_rest, "kek-1", tmp_path / "kek")
    assert not (tmp_path / "kek").exists()
    expected = [("keys.rotated", "bank-2"), ("keys.handed_over", "bank-2")]
    assert await deeds(at_rest, "customer") == expected
    # It is not given these keys.
    assert await deeds(at_rest, "complaints") == []


async def test_the_only_key_and_the_active_one_stay(at_rest: Plan) -> None:
    before = at_rest.key_file.read_bytes()
    with pytest.raises(Failed, match="bank-1 is the only one of its kind"):
        await key_store.retire(at_rest, "bank-1")
    assert at_rest.key_file.read_bytes() == before
    await key_store.rotate(at_rest, "message", settle=0)
    before = at_rest.key_file.read_bytes()
    with pytest.raises(Failed, match="bank-2 is active"):
        await key_store.retire(at_rest, "bank-2")
    with pytest.raises(Failed, match="no key bank-9"):
        await key_store.retire(at_rest, "bank-9")
    assert at_rest.key_file.read_bytes() == before
    assert await deeds(at_rest, "customer") == [("keys.rotated", "bank-2")]


async def test_a_key_that_waiting_messages_need_stays_until_they_are_settled(at_rest: Plan) -> None:
    await key_store.rotate(at_rest, "message", settle=0)
    await park(at_rest, "bank-1")
    await bury(at_rest, "bank-1", "open")
    await bury(at_rest, "bank-1", "skipped")
    await bury(at_rest, "bank-2", "open")
    await state_party(at_rest, "P1", "bank-1", AT)
    waiting = {"messages that wait": 2}
    assert await standing(at_rest) == {
        "kek-1": (True, {"customer.customers": 1}, None),
        "index-1": (True, {}, None),
        "bank-1": (False, {"customer.source_records": 1, **waiting}, AT),
        "bank-2": (True, {"messages that wait": 1}, None),
        "webhook-1": (True, {}, None),
    }
    with pytest.raises(Failed, match="bank-1 is still needed by 2 messages that wait"):
        await key_store.retire(at_rest, "bank-1")
    assert list(KeyRing.from_file(at_rest.key_file).message_keys) == ["bank-1", "bank-2"]

    await execute(at_rest, "DELETE FROM customer.parked_messages")
    await execute(at_rest, "UPDATE customer.dead_letters SET state = 'redriven'")
    await key_store.retire(at_rest, "bank-1")
    # What was taken in is kept as it came, and is opened no more.
    assert list(KeyRing.from_file(at_rest.key_file).message_keys) == ["bank-2"]
    assert await deeds(at_rest, "customer") == [("keys.rotated", "bank-2"), ("keys.retired", "bank-1")]


async def test_a_retired_name_is_never_given_again(at_rest: Plan) -> None:
    await remember(at_rest)
    await key_store.rotate(at_rest, "message", settle=0)
    await remember(at_rest)
    given = Jwk("core-2026", b"c" * 32)
    assert await key_store.rotate(at_rest, "message", settle=0, given=given) == "core-2026"
    await key_store.retire(at_rest, "bank-2")
    assert await key_store.rotate(at_rest, "message", settle=0) == "bank-3"
    before = at_rest.key_file.read_bytes()
    for kid in ("core-2026", "bank-2"):
        with pytest.raises(Failed, match=f"There is, or was, a key {kid}"):
            await key_store.rotate(at_rest, "message", settle=0, given=Jwk(kid, b"d" * 32))
    assert at_rest.key_file.read_bytes() == before


async def remember(plan: Plan) -> None:
    """What a service does when it takes the file in."""
    checks = KeyRing.from_file(plan.key_file).checks()
    statement = (
        "INSERT INTO customer.encryption_keys SELECT * FROM unnest($1::text[], $2::bytea[]) ON CONFLICT DO NOTHING"
    )
    await execute(plan, statement, list(checks), list(checks.values()))


def test_a_key_that_a_sender_made_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "core.jwk"
    made = OctKey.generate_key(256, {"kid": "core-2026"})
    file.write_text(json.dumps(made.as_dict(private=True)))
    assert Jwk.read(file) == Jwk("core-2026", made.raw_value)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        json.dumps({"kty": "oct", "kid": "a"}),
        json.dumps({"kty": "oct", "kid": "a", "k": base64.urlsafe_b64encode(b"k" * 16).decode()}),
        json.dumps({"kty": "oct", "kid": "a b", "k": base64.urlsafe_b64encode(b"k" * 32).decode()}),
        json.dumps({"kty": "OKP", "kid": "a", "k": base64.urlsafe_b64encode(b"k" * 32).decode()}),
    ],
)
def test_what_is_no_key_for_messages_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "core.jwk"
    file.write_text(content)
    with pytest.raises(Failed, match="is no key"):
        Jwk.read(file)
