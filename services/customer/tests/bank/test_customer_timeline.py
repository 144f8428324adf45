"""The timeline: everybody's events in one order, contacts written down by hand, merged customers once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from kehu_chassis.scope import EVERYTHING
from kehu_chassis.scope_facts import ScopeSubject, put_subjects
from kehu_contracts.access import Role
from kehu_contracts.base import CONTRACTS, Event
from kehu_contracts.codes import Channel, Tier
from kehu_contracts.complaint import ComplaintReceived
from kehu_contracts.customer import InteractionRecorded
from kehu_contracts.segment import TierChanged
from kehu_customer.timeline.consumers import TIMELINE

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)


def complaint(customer_id: UUID, at: datetime, number: str = "CP20260301000001") -> ComplaintReceived:
    return ComplaintReceived(
        complaint_id=uuid4(),
        complaint_number=number,
        customer_id=customer_id,
        kind="complaint",
        channel=Channel.PHONE,
        category="fees",
        unit_id=uuid4(),
        received_at=at,
        open=True,
    )


def tier(customer_id: UUID, at: datetime) -> TierChanged:
    return TierChanged(customer_id=customer_id, from_tier=None, to_tier=Tier.VIP, changed_at=at)


async def manager(bank: Any, app_client: Callable[..., Any]) -> Any:
    return await app_client(Role.RELATIONSHIP_MANAGER, staff_id=await bank.staff_id("M1"))


async def test_events_of_other_services_stand_newest_first_and_are_filtered(
    bank: Any, deliver: Any, app_client: Callable[..., Any]
) -> None:
    await bank.send(bank.party("P1"))
    customer_id = await bank.customer_id("P1")
    await deliver(TIMELINE, [tier(customer_id, BEGIN + timedelta(hours=2)), complaint(customer_id, BEGIN)])
    client = await manager(bank, app_client)
    path = f"/api/v1/customers/{customer_id}/timeline"
    assert [item["type"] for item in (await client.get(path)).json()["items"]] == ["tier_changed", "complaint_received"]
    only = (await client.get(f"{path}?type=complaint_received&channel=phone")).json()["items"]
    assert [(item["type"], item["channel"], item["attributes"]["complaint_number"]) for item in only] == [
        ("complaint_received", "phone", "CP20260301000001")
    ]
    assert (await client.get(f"{path}?channel=email")).json()["items"] == []
    assert (await client.get(f"{path}?type=nonsense")).status_code == 422


async def test_a_note_is_sealed_and_read_back_by_those_who_see_names(
    bank: Any, app_client: Callable[..., Any], outbox_rows: Callable[..., Any], deliver: Any
) -> None:
    await bank.send(bank.party("P1"))
    path = f"/api/v1/customers/{await bank.customer_id('P1')}"
    client = await manager(bank, app_client)
    body = {"kind": "call", "channel": "phone", "direction": "outbound", "note": "Mr Wang asks about 大额存单"}
    made = await client.post(f"{path}/interactions", json=body)
    assert made.status_code == 201
    (told,) = await outbox_rows(InteractionRecorded)
    assert "note" not in told["data"]
    sealed = await bank.value("SELECT note_sealed FROM interactions")
    assert b"Wang" not in sealed
    # The event comes back through the topic and is the same entry.
    await deliver(TIMELINE, [InteractionRecorded.model_validate(told["data"])])
    (entry,) = (await client.get(f"{path}/timeline?type=interaction")).json()["items"]
    assert (entry["note"], entry["attributes"]) == (body["note"], {"direction": "outbound", "kind": "call"})
    auditor = await app_client(Role.AUDITOR)
    (masked,) = (await auditor.get(f"{path}/timeline?type=interaction")).json()["items"]
    assert masked["note"] is None


async def test_an_interaction_in_the_future_or_with_control_characters_is_refused(
    bank: Any, app_client: Callable[..., Any], outbox_rows: Callable[..., Any], clock: Any
) -> None:
    await bank.send(bank.party("P1"))
    path = f"/api/v1/customers/{await bank.customer_id('P1')}/interactions"
    client = await manager(bank, app_client)
    body = {"kind": "call", "channel": "phone", "direction": "inbound"}
    later = {**body, "occurred_at": (clock.now() + timedelta(minutes=1)).isoformat()}
    told = await outbox_rows()
    for wrong, pointer in ((later, "#/occurred_at"), ({**body, "note": "a\0b"}, "#/note"), ({**body, "x": 1}, "#/x")):
        answer = await client.post(path, json=wrong)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert await outbox_rows() == told
    assert await bank.value("SELECT count(*) FROM interactions") == 0


async def test_merged_customers_show_the_union_once_and_the_undoing_parts_it(
    bank: Any, deliver: Any, app_client: Callable[..., Any], worker_database: Any
) -> None:
    await bank.send(bank.party("P1"), bank.party("P2"))
    kept, gone = await bank.customer_id("P1"), await bank.customer_id("P2")
    unit_id = await bank.unit_id("B1")
    await deliver(TIMELINE, [complaint(kept, BEGIN), complaint(gone, BEGIN + timedelta(hours=1))])
    client = await manager(bank, app_client)

    async def shown(customer_id: UUID) -> list[str]:
        answer = await client.get(f"/api/v1/customers/{customer_id}/timeline")
        return [item["customer_id"] for item in answer.json()["items"]]

    async with worker_database.begin(scope=EVERYTHING) as tx:
        await put_subjects(tx, [ScopeSubject(gone, kept, unit_id)])
    assert await shown(kept) == await shown(gone) == [str(gone), str(kept)]
    async with worker_database.begin(scope=EVERYTHING) as tx:
        await put_subjects(tx, [ScopeSubject(gone, gone, unit_id)])
    assert (await shown(kept), await shown(gone)) == ([str(kept)], [str(gone)])


async def test_a_cursor_survives_what_is_added_meanwhile(
    bank: Any, deliver: Any, app_client: Callable[..., Any]
) -> None:
    await bank.send(bank.party("P1"))
    customer_id = await bank.customer_id("P1")
    await deliver(TIMELINE, [tier(customer_id, BEGIN + timedelta(minutes=n)) for n in range(25)])
    client = await manager(bank, app_client)
    path = f"/api/v1/customers/{customer_id}/timeline?limit=10"
    seen: list[str] = []
    answer = (await client.get(path)).json()
    while True:
        seen += [item["occurred_at"] for item in answer["items"]]
        if answer["next_cursor"] is None:
            break
        await deliver(TIMELINE, [tier(customer_id, BEGIN + timedelta(days=1, minutes=len(seen)))])
        answer = (await client.get(f"{path}&cursor={answer['next_cursor']}")).json()
    expected = [BEGIN + timedelta(minutes=n) for n in reversed(range(25))]
    assert [datetime.fromisoformat(moment) for moment in seen] == expected


async def test_holdings_registration_and_ownership_reach_the_timeline_by_their_events(
    bank: Any, deliver: Any, outbox_rows: Callable[..., Any], app_client: Callable[..., Any]
) -> None:
    await bank.send(bank.party("P1"), bank.account("A1", "P1"), bank.account("A1", "P1"))
    await bank.send(bank.opening("O1", "P1", "A1"), bank.party("P1", "B1", rm_staff_number="M1"))
    wanted = {contract.event_type for contract in TIMELINE.types}
    told = [row for row in await outbox_rows() if row["type"] in wanted]
    events = [CONTRACTS[row["type"]].model_validate(row["data"]) for row in told]
    assert all(isinstance(event, Event) for event in events)
    await deliver(TIMELINE, events)
    client = await manager(bank, app_client)
    items = (await client.get(f"/api/v1/customers/{await bank.customer_id('P1')}/timeline")).json()["items"]
    assert sorted(item["type"] for item in items) == [
        "account_opened",
        "customer_registered",
        "ownership_changed",
        "product_opened",
    ]
