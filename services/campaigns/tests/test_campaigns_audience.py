"""Audiences: who is chosen, that a frozen audience stays as it is, and what may be seen of it."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

from kehu_campaigns.main import DEFINITION, SUBSCRIPTIONS
from kehu_chassis import migrations
from kehu_contracts.codes import CustomerStatus


async def members_of(client: Any, campaign: dict[str, Any]) -> set[UUID]:
    found: set[UUID] = set()
    cursor: str | None = None
    while True:
        params = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = (await client.get(f"/api/v1/campaigns/{campaign['id']}/members", params=params)).json()
        found |= {UUID(member["customer_id"]) for member in page["items"]}
        cursor = page["next_cursor"]
        if cursor is None:
            return found


async def test_segments_are_joined_by_any_all_and_none(bank: Any, people: Any, make_running: Any) -> None:
    a, b, c, d, e = await bank.customers(5)
    gold = await bank.segment([a, b, c], code="GOLD")
    card = await bank.segment([c, d], code="CARD")
    old = await bank.segment([b, c, d, e], code="OLD")
    churn = await bank.segment([c], code="CHURN")
    campaign = await make_running(
        gold, audience={"any_of": [str(gold), str(card)], "all_of": [str(old)], "none_of": [str(churn)]}
    )
    assert campaign["audience_size"] == 2
    assert await members_of(await people.compliance(), campaign) == {b, d}
    only = await make_running(gold, code="ONLY", audience={"all_of": [str(gold), str(old)]})
    assert await members_of(await people.compliance(), only) == {b, c}


async def test_a_frozen_audience_and_its_rule_versions_stay(bank: Any, people: Any, make_running: Any) -> None:
    a, b, c = await bank.customers(3)
    gold = await bank.segment([a, b], rule_version=4)
    campaign = await make_running(gold)
    assert campaign["rule_versions"] == {str(gold): 4}
    await bank.leave(gold, [a])
    await bank.join(gold, [c])
    await bank.publish(gold, 5)
    compliance = await people.compliance()
    assert await members_of(compliance, campaign) == {a, b}
    again = (await compliance.get(f"/api/v1/campaigns/{campaign['id']}")).json()
    assert (again["rule_versions"], again["audience_size"]) == ({str(gold): 4}, 2)
    later = await make_running(gold, code="LATER")
    assert await members_of(compliance, later) == {b, c}
    assert later["rule_versions"] == {str(gold): 5}


async def test_an_older_publication_does_not_come_back(bank: Any, make_running: Any) -> None:
    gold = await bank.segment(await bank.customers(1), rule_version=4)
    await bank.publish(gold, 3)
    assert (await make_running(gold))["rule_versions"] == {str(gold): 4}


async def test_an_audience_can_be_kept_to_one_unit(bank: Any, people: Any, make_running: Any) -> None:
    of_a = await bank.customers(2)
    of_b = await bank.customers(1, unit_id=bank.branch_b)
    (merged,) = await bank.customers(1, unit_id=bank.branch_b, survivor_id=of_a[0])
    (nobodys,) = await bank.customers(1, unit_id=None)
    gold = await bank.segment([*of_a, *of_b, merged, nobodys])
    compliance = await people.compliance()
    for number, (unit_id, expected) in enumerate(
        [(bank.branch_a, {*of_a, merged}), (bank.branch_b, set(of_b)), (bank.head, {*of_a, *of_b, merged})]
    ):
        audience = {"any_of": [str(gold)], "customers_of_unit_id": str(unit_id)}
        assert await members_of(compliance, await make_running(gold, code=f"C{number}", audience=audience)) == expected


async def test_members_are_seen_by_the_customers_branch(
    bank: Any, people: Any, make_running: Any, fire_timers: Any
) -> None:
    of_a = await bank.customers(2)
    of_b = await bank.customers(3, unit_id=bank.branch_b)
    gold = await bank.segment([*of_a, *of_b])
    campaign = await make_running(gold)
    await fire_timers()
    path = f"/api/v1/campaigns/{campaign['id']}"
    head = await people.manager("head")
    for part in ("members", "decisions", "messages"):
        assert len((await head.get(f"{path}/{part}")).json()["items"]) == 5, part
    # The campaign belongs to head office: a branch sees neither it nor its lists, only its own customers' part in it.
    of_branch = await people.manager("a")
    assert (await of_branch.get(f"{path}/members")).status_code == 404
    mine = (await of_branch.get(f"/api/v1/customers/{of_a[0]}/campaigns")).json()["items"]
    assert [found["code"] for found in mine] == ["SPRING"]
    assert (await of_branch.get(f"/api/v1/customers/{of_b[0]}/campaigns")).status_code == 404


async def test_a_branchs_campaign_lists_only_customers_in_reach(
    bank: Any, people: Any, plan_body: Any, fire_timers: Any, database: Any
) -> None:
    of_a = await bank.customers(2)
    of_b = await bank.customers(3, unit_id=bank.branch_b)
    gold = await bank.segment([*of_a, *of_b])
    marketer, compliance = await people.marketer("a"), await people.compliance()
    path = (await marketer.post("/api/v1/campaigns", json=plan_body(gold))).headers["Location"]
    await marketer.post(f"{path}/submissions")
    await compliance.post(f"{path}/approvals")
    await fire_timers()

    async def seen() -> dict[str, int]:
        parts = ("members", "decisions", "messages")
        return {part: len((await marketer.get(f"{path}/{part}")).json()["items"]) for part in parts}

    assert await seen() == {"members": 2, "decisions": 2, "messages": 2}
    # Totals name nobody, so they are whole.
    funnel = (await marketer.get(f"{path}/funnel")).json()
    assert (funnel["audience"], funnel["allowed"]) == (5, 5)
    database.without_first_lock()
    assert await seen() == {"members": 2, "decisions": 2, "messages": 2}


async def test_the_waterfall_tells_before_the_launch_what_the_gate_would_say(
    bank: Any, people: Any, make_planned: Any, outbox_rows: Any
) -> None:
    await bank.customers(1)
    plain = await bank.customers(4)
    dead = await bank.customers(2, status=CustomerStatus.DECEASED)
    silent = await bank.customers(1, consents=())
    campaign = await make_planned(await bank.segment([*plain, *dead, *silent]))
    before = await outbox_rows()
    marketer = await people.marketer()
    answer = (await marketer.get(f"/api/v1/campaigns/{campaign['id']}/waterfall")).json()
    assert answer == {
        "campaign_id": campaign["id"],
        "audience": 7,
        "reasons": {"allowed": 4, "deceased": 2, "no_consent": 1},
    }
    assert await outbox_rows() == before
    assert await members_of(await people.compliance(), campaign) == set()


def test_every_subscription_has_a_name_of_its_own() -> None:
    assert len({found.name for found in SUBSCRIPTIONS}) == len(SUBSCRIPTIONS) == 6


async def test_the_migration_goes_down_and_up_again(service_database: Any) -> None:
    for step in (migrations.downgrade, migrations.upgrade):
        await asyncio.to_thread(
            step, service_database.dsn("owner"), schema=service_database.schema, folder=DEFINITION.migrations
        )
