"""The pure rules of campaigns: states, text, gate, quiet hours, delivery, credit."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from itertools import product
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kehu_campaigns.delivery import rules as delivery
from kehu_campaigns.delivery import templates
from kehu_campaigns.gate import rules as gate
from kehu_campaigns.gate.rules import Contact, Facts, QuietHours, Reason
from kehu_campaigns.plans import rules as plans
from kehu_campaigns.plans.rules import CampaignAction, CampaignState
from kehu_campaigns.response import rules as response
from kehu_contracts.codes import DecisionOutcome, DeliveryState

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOON = datetime(1999, 1, 4, 4, 0, tzinfo=UTC)

CLEAR = Facts(
    merged_duplicate=False,
    deceased=False,
    closed=False,
    minor=False,
    held_out=False,
    consents=True,
    open_complaint=False,
    contacts_in_window=0,
    quiet_until=None,
    reachable=True,
)
MARKETING = Contact(marketing=True, frequency_cap=2, not_after=None)
SERVICE = Contact(marketing=False, frequency_cap=2, not_after=None)

BLOCKS: list[tuple[Reason, dict[str, object]]] = [
    (Reason.MERGED_DUPLICATE, {"merged_duplicate": True}),
    (Reason.DECEASED, {"deceased": True}),
    (Reason.RELATIONSHIP_CLOSED, {"closed": True}),
    (Reason.MINOR, {"minor": True}),
    (Reason.HOLDOUT, {"held_out": True}),
    (Reason.NO_CONSENT, {"consents": False}),
    (Reason.OPEN_COMPLAINT, {"open_complaint": True}),
    (Reason.FREQUENCY_CAP, {"contacts_in_window": 2}),
    (Reason.QUIET_HOURS, {"quiet_until": NOON}),
    (Reason.CONTACT_UNAVAILABLE, {"reachable": False}),
]

EXPECTED = {
    (CampaignState.DRAFT, CampaignAction.EDIT): CampaignState.DRAFT,
    (CampaignState.DRAFT, CampaignAction.SUBMIT): CampaignState.IN_REVIEW,
    (CampaignState.IN_REVIEW, CampaignAction.APPROVE): CampaignState.RUNNING,
    (CampaignState.IN_REVIEW, CampaignAction.REJECT): CampaignState.DRAFT,
    (CampaignState.RUNNING, CampaignAction.COMPLETE): CampaignState.FINISHED,
}


@pytest.mark.parametrize(("state", "action"), list(product(CampaignState, CampaignAction)))
def test_every_state_and_action_moves_or_is_refused(state: CampaignState, action: CampaignAction) -> None:
    if (state, action) in EXPECTED:
        assert plans.next_state(state, action) is EXPECTED[state, action]
        return
    with pytest.raises(plans.TransitionRefused) as refused:
        plans.next_state(state, action)
    assert (refused.value.state, refused.value.action) == (state, action)


def test_nobody_who_had_a_hand_in_a_campaign_is_its_second_person() -> None:
    assert plans.is_second_person("compliance", ["marketer", "marketer2"])
    assert not plans.is_second_person("marketer2", ["marketer", "marketer2"])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("尊敬的客户，三年期存款利率1.9%。", ()),
        ("本产品保本，高收益！", ("保本", "高收益")),
        ("保 本 理财", ("保本",)),
        ("保\u200b本理财", ("保本",)),
        ("保·本理财", ("保本",)),
        ("Ｇuaranteed　Ｒeturn of 5 %", ("guaranteed return",)),
        ("保守本金以外的投资", ()),
    ],
)
def test_a_banned_claim_is_found_however_it_is_spaced(text: str, found: tuple[str, ...]) -> None:
    assert plans.banned_claims_in(text, ("保本", "高收益", "guaranteed return")) == found


def test_nothing_against_it_allows_the_contact() -> None:
    assert gate.decide(CLEAR, MARKETING) == gate.Verdict(DecisionOutcome.ALLOWED, Reason.ALLOWED)


@pytest.mark.parametrize(("reason", "change"), BLOCKS)
def test_each_rule_alone_gives_its_reason(reason: Reason, change: dict[str, object]) -> None:
    ended = replace(MARKETING, not_after=NOON)
    verdict = gate.decide(replace(CLEAR, **change), ended)  # type: ignore[arg-type]  # The fields differ in type.
    assert verdict == gate.Verdict(DecisionOutcome.REFUSED, reason)


@given(st.sets(st.sampled_from(range(len(BLOCKS))), min_size=1))
def test_of_several_rules_the_first_gives_the_reason(which: set[int]) -> None:
    changes: dict[str, object] = {}
    for index in which:
        changes.update(BLOCKS[index][1])
    verdict = gate.decide(replace(CLEAR, **changes), MARKETING)  # type: ignore[arg-type]  # As above.
    assert verdict.reason is BLOCKS[min(which)][0]
    assert verdict.outcome is not DecisionOutcome.ALLOWED


def test_service_messages_are_free_of_the_rules_that_protect_from_marketing() -> None:
    facts = replace(CLEAR, minor=True, open_complaint=True, contacts_in_window=9)
    assert gate.decide(facts, SERVICE).reason is Reason.ALLOWED


def test_quiet_hours_defer_until_they_are_over() -> None:
    until = NOON + timedelta(hours=3)
    verdict = gate.decide(replace(CLEAR, quiet_until=until), replace(MARKETING, not_after=until + timedelta(hours=1)))
    assert verdict == gate.Verdict(DecisionOutcome.DEFERRED, Reason.QUIET_HOURS, until)


@pytest.mark.parametrize(
    ("local", "until"),
    [
        (datetime(1999, 1, 4, 20, 59, 59, tzinfo=SHANGHAI), None),
        (datetime(1999, 1, 4, 21, 0, tzinfo=SHANGHAI), datetime(1999, 1, 5, 0, 0, tzinfo=UTC)),
        (datetime(1999, 1, 4, 23, 59, tzinfo=SHANGHAI), datetime(1999, 1, 5, 0, 0, tzinfo=UTC)),
        (datetime(1999, 1, 5, 0, 0, tzinfo=SHANGHAI), datetime(1999, 1, 5, 0, 0, tzinfo=UTC)),
        (datetime(1999, 1, 5, 7, 59, 59, tzinfo=SHANGHAI), datetime(1999, 1, 5, 0, 0, tzinfo=UTC)),
        (datetime(1999, 1, 5, 8, 0, tzinfo=SHANGHAI), None),
    ],
)
def test_quiet_hours_span_midnight_in_the_banks_zone(local: datetime, until: datetime | None) -> None:
    night = QuietHours(time(21), time(8), SHANGHAI)
    assert night.until(local.astimezone(UTC)) == until


def test_quiet_hours_follow_daylight_saving_of_their_zone() -> None:
    night = QuietHours(time(22), time(7), ZoneInfo("Europe/Berlin"))
    before_spring = datetime(2026, 3, 28, 22, 30, tzinfo=UTC)
    assert night.until(before_spring) == datetime(2026, 3, 29, 5, 0, tzinfo=UTC)
    assert night.until(datetime(2026, 3, 27, 22, 30, tzinfo=UTC)) == datetime(2026, 3, 28, 6, 0, tzinfo=UTC)


def test_quiet_hours_of_no_length_are_none() -> None:
    assert QuietHours(time(0), time(0), SHANGHAI).until(NOON) is None
    assert QuietHours(time(12), time(13), SHANGHAI).until(NOON) == NOON + timedelta(hours=1)


def test_the_bucket_of_a_party_is_fixed_for_all_time() -> None:
    party = UUID("01890000-0000-7000-8000-000000000001")
    assert [gate.bucket_of("spring", party), gate.bucket_of("autumn", party)] == [2609, 8551]


def test_a_holdout_of_ten_percent_holds_out_ten_percent() -> None:
    held_out = sum(gate.bucket_of("spring", UUID(int=number)) < 1_000 for number in range(20_000))
    assert 1_880 <= held_out <= 2_120


@pytest.mark.parametrize(("born", "minor"), [(None, False), (1980, False), (1981, True), (1982, True)])
def test_whoever_may_be_under_age_is_treated_as_a_minor(born: int | None, minor: bool) -> None:  # noqa: FBT001  # A column of the table.
    assert gate.may_be_minor(born, 1999) is minor


A, B, C = (UUID(int=number) for number in (1, 2, 3))


@pytest.mark.parametrize(
    ("member", "survivor", "group", "duplicate"),
    [
        (A, A, {A: None}, False),
        (A, B, {A: None, B: None}, True),
        (B, B, {A: None, B: None}, False),
        (A, C, {A: None, B: None}, False),
        (B, C, {A: None, B: None}, True),
        (B, B, {A: Reason.ALLOWED, B: None}, True),
        (B, B, {A: Reason.HOLDOUT, B: None}, True),
        (B, B, {A: Reason.MERGED_DUPLICATE, B: None}, False),
    ],
)
def test_one_member_stands_for_a_merged_party(
    member: UUID,
    survivor: UUID,
    group: dict[UUID, Reason | None],
    duplicate: bool,  # noqa: FBT001  # A column of the table.
) -> None:
    assert gate.is_duplicate(member, survivor, group) is duplicate


DELIVERIES = {
    (DeliveryState.QUEUED, DeliveryState.SENT),
    (DeliveryState.QUEUED, DeliveryState.FAILED),
    (DeliveryState.SENT, DeliveryState.DELIVERED),
    (DeliveryState.SENT, DeliveryState.FAILED),
    (DeliveryState.DELIVERED, DeliveryState.OPENED),
    (DeliveryState.OPENED, DeliveryState.CLICKED),
}


@pytest.mark.parametrize(("state", "to"), list(product(DeliveryState, DeliveryState)))
def test_every_delivery_step_is_taken_or_refused(state: DeliveryState, to: DeliveryState) -> None:
    if (state, to) in DELIVERIES:
        assert delivery.advance(state, to) is to
        return
    with pytest.raises(delivery.DeliveryRefused):
        delivery.advance(state, to)


BEHAVIOUR = delivery.SimulatedBehaviour(
    failed=500,
    opened=4_000,
    clicked=2_500,
    delivery_delay=timedelta(seconds=2),
    longest_reading_delay=timedelta(hours=12),
)


@given(st.text(min_size=1))
def test_simulated_customers_behave_the_same_every_time(number: str) -> None:
    steps = delivery.simulated_steps(BEHAVIOUR, seed=("SPRING", number), sent_at=NOON)
    assert steps == delivery.simulated_steps(BEHAVIOUR, seed=("SPRING", number), sent_at=NOON)
    state = DeliveryState.SENT
    for step in steps:
        state = delivery.advance(state, step.state)
    assert [step.at for step in steps] == sorted(step.at for step in steps)


def test_shares_of_simulated_behaviour_follow_its_settings() -> None:
    outcomes = [delivery.simulated_steps(BEHAVIOUR, seed=("X", str(n)), sent_at=NOON)[-1].state for n in range(10_000)]
    assert 430 <= outcomes.count(DeliveryState.FAILED) <= 570
    assert 2_650 <= outcomes.count(DeliveryState.OPENED) <= 3_050
    assert 850 <= outcomes.count(DeliveryState.CLICKED) <= 1_050


@given(st.lists(st.integers(min_value=0, max_value=10_000), max_size=40))
def test_credit_sums_to_a_hundred_percent(counts: list[int]) -> None:
    credited = response.shares(counts)
    if sum(counts) == 0:
        assert credited == ()
        return
    assert sum(credited) == Decimal(100)
    assert all(
        abs(share - Decimal(100) * n / sum(counts)) < Decimal("0.01") for share, n in zip(credited, counts, strict=True)
    )


def test_thirds_are_rounded_to_a_whole() -> None:
    assert response.shares([1, 1, 1]) == (Decimal("33.34"), Decimal("33.33"), Decimal("33.33"))


def test_a_template_names_values_and_chooses_by_them() -> None:
    text = "{% if salutation == '' %}客户{% else %}{{ salutation }}{% endif %}您好：{{ product }}"
    templates.check(text)
    assert templates.render(text, templates.SAMPLE) == "尊敬的客户您好：TD-12M"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{{ phone }}", "there is no value named phone"),
        ("{{ salutation", "unexpected end of template"),
        ("{{ salutation.__class__ }}", "getattr is not allowed"),
        ("{{ salutation * 1000000 }}", "mul is not allowed"),
        ("{% for x in range(1000000000) %}x{% endfor %}", "for is not allowed"),
        ("{{ salutation|replace('a', 'b') }}", "filter is not allowed"),
        ("{% set x = 1 %}", "assign is not allowed"),
    ],
)
def test_a_template_that_does_more_is_refused(text: str, reason: str) -> None:
    with pytest.raises(templates.TemplateRefused, match=reason):
        templates.check(text)
