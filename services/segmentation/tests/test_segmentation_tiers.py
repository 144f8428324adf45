"""Tiers: up with the next month, watched below, down only after the months that the scheme grants."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kehu_chassis.clock import FixedClock
from kehu_contracts.access import Role
from kehu_contracts.codes import Tier
from kehu_contracts.segment import MembershipState, TierChanged
from kehu_segmentation.business_days import SHANGHAI
from kehu_segmentation.tiers.rules import Standing, assess, reached, read_scheme

TERMS: list[dict[str, Any]] = [
    {"tier": "ordinary", "from": "0", "months_below": None},
    {"tier": "preferred", "from": "50000", "months_below": 3},
    {"tier": "vip", "from": "500000", "months_below": 3},
    {"tier": "private", "from": "6000000", "months_below": 6},
]
SCHEME = read_scheme(1, TERMS)


def _run(*averages: int, start: Standing | None = None) -> list[str]:
    told = []
    standing = start
    for average in averages:
        standing = assess(SCHEME, standing, Decimal(average))
        told.append(f"{standing.tier}/{standing.months_below}")
    return told


@pytest.mark.parametrize(
    ("average", "tier"),
    [
        ("-1", Tier.ORDINARY),
        ("0", Tier.ORDINARY),
        ("49999.9999", Tier.ORDINARY),
        ("50000", Tier.PREFERRED),
        ("500000", Tier.VIP),
        ("6000000", Tier.PRIVATE),
    ],
)
def test_a_threshold_is_reached_at_its_value(average: str, tier: Tier) -> None:
    assert reached(SCHEME, Decimal(average)) is tier


def test_up_at_once_and_down_after_three_months_below() -> None:
    assert _run(0, 600_000, 0, 0, 0) == ["ordinary/0", "vip/0", "vip/1", "vip/2", "ordinary/0"]


def test_private_banking_is_kept_for_six_months() -> None:
    assert _run(7_000_000, *[60_000] * 6) == [
        "private/0",
        "private/1",
        "private/2",
        "private/3",
        "private/4",
        "private/5",
        "preferred/0",
    ]


def test_one_month_at_the_tier_ends_the_watch() -> None:
    assert _run(600_000, 0, 0, 500_000, 0, 0) == ["vip/0", "vip/1", "vip/2", "vip/0", "vip/1", "vip/2"]


@given(st.lists(st.integers(0, 8_000_000), min_size=1, max_size=40))
def test_nobody_falls_within_the_grace(averages: list[int]) -> None:
    standing = None
    below = 0
    for average in averages:
        before = standing
        standing = assess(SCHEME, standing, Decimal(average))
        if before is None:
            continue
        rank, rank_before = SCHEME.rank(standing.tier), SCHEME.rank(before.tier)
        patience = SCHEME.tiers[rank_before].months_below
        below = below + 1 if Decimal(average) < SCHEME.tiers[rank_before].threshold else 0
        if rank < rank_before:
            assert below == patience
        if rank != rank_before:
            below = 0
        assert standing.months_below == below


@pytest.mark.parametrize(
    "terms",
    [
        [TERMS[0], TERMS[2], TERMS[1]],
        [TERMS[1]],
        [TERMS[0], TERMS[1] | {"months_below": None}],
    ],
)
def test_a_scheme_that_makes_no_sense_is_refused(terms: list[dict[str, Any]]) -> None:
    with pytest.raises(ValueError, match="tier"):
        read_scheme(1, terms)


def _shanghai(month: int, day: int, hour: int) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=SHANGHAI).astimezone(UTC)


async def test_a_new_customer_has_a_tier_the_next_morning_and_rises_with_the_next_month(
    bank: Any, clock: FixedClock, fire_timers: Any, outbox_rows: Any, app_client: Any
) -> None:
    customer = bank.customer()
    account = bank.account(customer.customer_id)
    await bank.tell(customer, account, bank.balance(account, date(2026, 3, 1), "600000"))
    client = await app_client(Role.AUDITOR)
    path = f"/api/v1/customers/{customer.customer_id}/segments"
    assert (await client.get(path)).json()["tier"] is None
    assert (await client.get("/api/v1/tiers")).json()["unassessed_count"] == 1
    clock.set(_shanghai(3, 3, 6))
    await fire_timers()
    # February's average was nothing.
    assert (await client.get(path)).json()["tier"]["tier"] == "ordinary"
    clock.set(_shanghai(4, 1, 5))
    await fire_timers()
    assert (await client.get(path)).json()["tier"]["tier"] == "ordinary"
    clock.set(_shanghai(4, 1, 6))
    await fire_timers()
    assert (await client.get(path)).json()["tier"] == {
        "tier": "vip",
        "since": "2026-03-31T22:00:00Z",
        "watch": False,
        "months_below": 0,
        "month": "2026-03-01",
        "average": "600000.0000",
    }
    changes = [(row["data"]["from_tier"], row["data"]["to_tier"]) for row in await outbox_rows(TierChanged)]
    assert changes == [(None, "ordinary"), ("ordinary", "vip")]
    assert [row["data"]["tier"] for row in await outbox_rows(MembershipState)] == ["ordinary", "vip"]
    spread = (await client.get("/api/v1/tiers")).json()
    assert [(tier["tier"], tier["customer_count"]) for tier in spread["tiers"]] == [
        ("ordinary", 0),
        ("preferred", 0),
        ("vip", 1),
        ("private", 0),
    ]


async def test_a_jump_over_months_assesses_each_of_them(
    bank: Any, clock: FixedClock, fire_timers: Any, outbox_rows: Any, app_client: Any
) -> None:
    customer = bank.customer()
    account = bank.account(customer.customer_id)
    await bank.tell(customer, account, bank.balance(account, date(2026, 2, 1), "600000"))
    clock.set(_shanghai(3, 3, 7))
    await fire_timers()
    await bank.tell(bank.balance(account, date(2026, 3, 1), "100"))
    clock.set(_shanghai(6, 30, 12))
    await fire_timers()
    changed = [(row["data"]["to_tier"], row["data"]["changed_at"]) for row in await outbox_rows(TierChanged)]
    assert changed == [("vip", "2026-03-02T22:00:00Z"), ("ordinary", "2026-05-31T22:00:00Z")]
    client = await app_client(Role.AUDITOR)
    tier = (await client.get(f"/api/v1/customers/{customer.customer_id}/segments")).json()["tier"]
    assert (tier["tier"], tier["month"]) == ("ordinary", "2026-05-01")


async def test_nobody_is_looked_for_on_a_day_after_which_nobody_became_known(
    bank: Any, clock: FixedClock, fire_timers: Any
) -> None:
    await bank.tell(bank.customer())
    clock.set(_shanghai(3, 31, 12))
    assert await fire_timers() == 1
    clock.set(_shanghai(4, 1, 12))
    assert await fire_timers() == 1
    known = bank.customer()
    await bank.tell(known)
    clock.set(_shanghai(4, 30, 12))
    assert await fire_timers() == 1
    await bank.tell(known.model_copy(update={"birth_year": 1981}))
    clock.set(_shanghai(5, 31, 12))
    assert await fire_timers() == 1


async def test_a_customer_who_stands_alone_again_is_assessed_the_next_morning(
    bank: Any, clock: FixedClock, fire_timers: Any, outbox_rows: Any
) -> None:
    survivor, merged = bank.customer(), bank.customer()
    await bank.tell(survivor, merged.model_copy(update={"survivor_id": survivor.customer_id}))
    clock.set(_shanghai(3, 10, 12))
    await fire_timers()
    await bank.tell(merged)
    clock.set(_shanghai(3, 11, 12))
    await fire_timers()
    told = [(row["data"]["customer_id"], row["data"]["changed_at"]) for row in await outbox_rows(TierChanged)]
    assert told == [
        (str(survivor.customer_id), "2026-03-02T22:00:00Z"),
        (str(merged.customer_id), "2026-03-10T22:00:00Z"),
    ]


async def test_slices_assess_everybody_once(
    bank: Any, clock: FixedClock, fire_timers: Any, outbox_rows: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kehu_segmentation.tiers.service.SLICE", 2)
    await bank.tell(*(bank.customer() for _ in range(5)))
    clock.advance(timedelta(days=1))
    await fire_timers()
    told = [row["data"]["customer_id"] for row in await outbox_rows(TierChanged)]
    assert len(told) == len(set(told)) == 5
