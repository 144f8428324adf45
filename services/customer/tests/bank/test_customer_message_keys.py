"""Keys of the bank's messages are replaced while messages arrive: old and new open, an unknown one waits for its key."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from kehu_chassis import dead_letters
from kehu_chassis.clock import FixedClock
from kehu_chassis.crypto import KeyRing, MessageKeys
from kehu_chassis.definition import Runtime
from kehu_chassis.rotation import take_in
from kehu_chassis.testing.events import Deliver
from kehu_contracts.bank import BankParty, PartyIdentity
from kehu_customer.main import _schedule_key_jobs
from kehu_customer.sources.identity import IdentityReader
from kehu_customer.vault import CustomerResources

NEW = b"2" * 32
SealedBy = Callable[[str, bytes], str]


class KeyFile:
    """The key file of a service that runs; what is changed in it is taken in as the service does it."""

    def __init__(self, path: Path, runtime: Runtime) -> None:
        self._path = path
        self._runtime = runtime
        self.ring = cast("CustomerResources", runtime.resources).ring

    async def change(self, *, add: dict[str, bytes] | None = None, drop: str | None = None) -> bool:
        content = json.loads(self._path.read_text())
        for kid, key in (add or {}).items():
            content["message"]["keys"][kid] = base64.b64encode(key).decode()
            content["message"]["active"] = kid
        if drop is not None:
            del content["message"]["keys"][drop]
        self._path.write_text(json.dumps(content))
        return await take_in(self._runtime, self.ring, self._path, _schedule_key_jobs)


@pytest.fixture
def keys(key_file: Path, tmp_path: Path, worker_runtime: Runtime) -> KeyFile:
    copy = tmp_path / "keys.json"
    copy.write_bytes(key_file.read_bytes())
    return KeyFile(copy, worker_runtime)


def sealed(kid: str, key: bytes) -> str:
    return IdentityReader(MessageKeys({kid: key}, kid)).seal(PartyIdentity(name="王小明"))


def kid_of(party: BankParty) -> str:
    header = party.identity.partition(".")[0]
    told: str = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))["kid"]
    return told


async def test_messages_under_the_old_key_open_until_it_is_retired(bank: Any, keys: KeyFile) -> None:
    first, second = bank.party("P1"), bank.party("P2")
    assert kid_of(first) == kid_of(second) == "bank-1"
    await bank.send(first)
    assert await keys.change(add={"bank-2": NEW})
    third = bank.party("P3")
    assert kid_of(third) == "bank-2"
    await bank.send(second, third)
    assert await bank.value("SELECT count(*) FROM customers") == 3

    late = bank.party("P4", identity=PartyIdentity(name="李小红")).model_copy(update={"identity": second.identity})
    async with bank.database.begin() as tx:
        await tx.connection.execute("UPDATE encryption_keys SET check_value = '' WHERE key_id = 'bank-1'")
    assert await keys.change(drop="bank-1")
    await bank.send(late, bank.party("P5"))
    assert await bank.rows("SELECT key, reason FROM dead_letters") == [
        {"key": "P4", "reason": "the identity cannot be decrypted: there is no message key bank-1"}
    ]
    assert await bank.value("SELECT count(*) FROM customers") == 4


async def test_a_message_under_an_unknown_key_waits_and_takes_effect_when_the_key_is_there(
    bank: Any, keys: KeyFile, deliver: Deliver, clock: FixedClock
) -> None:
    early = bank.party("P1").model_copy(update={"identity": sealed("core-2026", NEW)})
    later = bank.party("P1", occupation="2-02")
    await bank.send(early)
    await bank.send(later, bank.party("P2"))
    (dead,) = await bank.rows("SELECT dead_letter_id, reason, state, body IS NOT NULL AS kept FROM dead_letters")
    letter = dead.pop("dead_letter_id")
    reason = "the identity cannot be decrypted: there is no message key core-2026"
    assert dead == {"reason": reason, "state": "open", "kept": True}
    assert await bank.value("SELECT count(*) FROM customers") == 1
    assert await bank.value("SELECT count(*) FROM held_messages") == 1

    async def ask_again() -> str:
        async with bank.database.begin() as tx:
            await dead_letters.redrive(tx, letter, actor="operator", reason="the key is there", at=clock.now())
        await deliver.settle(bank.subscriptions["bank.party.v1"])
        state: str = await bank.value("SELECT state FROM dead_letters")
        return state

    assert await ask_again() == "open"
    assert await keys.change(add={"core-2026": NEW})
    assert await ask_again() == "redriven"
    assert await bank.value("SELECT count(*) FROM customers") == 2
    assert await bank.value("SELECT count(*) FROM held_messages") == 0
    # What came after it was applied after it.
    party = (
        "SELECT c.occupation FROM customers c JOIN source_records r ON r.customer_id = c.id WHERE r.source_id = 'P1'"
    )
    assert await bank.value(party) == "2-02"


@pytest.mark.parametrize("kid", ["王小明 13800138000", "", "k" * 65, None, ["bank-1"]])
async def test_what_a_sender_calls_a_key_is_not_told_when_it_is_no_name(bank: Any, kid: Any) -> None:
    header = {"alg": "dir", "enc": "A256GCM", **({} if kid is None else {"kid": kid})}
    named = base64.urlsafe_b64encode(json.dumps(header, ensure_ascii=False).encode()).rstrip(b"=").decode()
    _, _, *rest = bank.party("P1").identity.split(".")
    await bank.send(bank.party("P1").model_copy(update={"identity": ".".join((named, "", *rest))}))
    (dead,) = await bank.rows("SELECT reason FROM dead_letters")
    assert dead == {"reason": "the identity cannot be decrypted: it names no key (kid)"}


async def test_a_message_key_that_is_lost_from_the_file_is_refused_by_name(bank: Any, keys: KeyFile) -> None:
    assert await keys.change(add={"bank-2": NEW})
    assert not await keys.change(drop="bank-1")
    assert list(keys.ring.message_keys) == ["bank-1", "bank-2"]
    await bank.send(bank.party("P1"))
    assert await bank.value("SELECT count(*) FROM customers") == 1
    assert isinstance(keys.ring, KeyRing)
