"""Planning and review: what is refused, and that a refusal changes nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from kehu_chassis.testing.openapi_rules import violations
from kehu_contracts.campaign import CampaignStateChanged


async def test_every_route_declares_what_it_must(service_app: Any) -> None:
    assert violations(service_app.app) == []


async def test_a_campaign_is_planned_as_a_draft(bank: Any, people: Any, plan_body: Any, outbox_rows: Any) -> None:
    segment_id = await bank.segment()
    marketer = await people.marketer()
    response = await marketer.post(
        "/api/v1/campaigns",
        json=plan_body(segment_id, holdout_basis_points=1000, target_conversions=40, target_amount="250000.50"),
    )
    assert response.status_code == 201
    campaign = response.json()
    assert response.headers["ETag"] == '"1"'
    assert response.headers["Location"] == f"/api/v1/campaigns/{campaign['id']}"
    assert (campaign["state"], campaign["unit_id"], campaign["makers"]) == ("draft", str(bank.head), ["marketer"])
    assert campaign["starts_at"] == "2026-03-02T01:00:00Z"
    assert campaign["target_amount"] == "250000.5000"
    assert campaign["audience"] == {
        "any_of": [str(segment_id)],
        "all_of": [],
        "none_of": [],
        "customers_of_unit_id": None,
    }
    assert (campaign["audience_size"], campaign["rule_versions"]) == (None, None)
    (event,) = await outbox_rows(CampaignStateChanged)
    assert (event["data"]["from_state"], event["data"]["to_state"]) == (None, "draft")
    assert (await marketer.get(f"/api/v1/campaigns/{campaign['id']}")).json() == campaign


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"message": "本产品保 本，高收益"}, "#/message", "banned_claim"),
        ({"message": "{% if product == 'x' %}好{% else %}稳赚{% endif %}"}, "#/message", "banned_claim"),
        ({"message": "{{ phone }}"}, "#/message", "template"),
        ({"ends_at": "2026-03-01T00:00:00Z"}, "#/ends_at", "period"),
        ({"unit_id": str(uuid4())}, "#/unit_id", "unit_unknown"),
        ({"holdout_basis_points": 5001}, "#/holdout_basis_points", "less_than_equal"),
        ({"audience": {"none_of": [str(uuid4())]}}, "#/audience", "empty_audience"),
        ({"colour": "red"}, "#/colour", "extra_forbidden"),
        ({"channel": "pigeon"}, "#/channel", "enum"),
        ({"name": "a\u0000b"}, "#/name", "control_character"),
    ],
)
async def test_a_wrong_plan_is_refused_at_its_field(
    bank: Any, people: Any, plan_body: Any, outbox_rows: Any, change: dict[str, Any], pointer: str, code: str
) -> None:
    marketer = await people.marketer()
    response = await marketer.post("/api/v1/campaigns", json=plan_body(await bank.segment(), **change))
    assert response.status_code == 422
    assert (pointer, code) in {(error["pointer"], error["code"]) for error in response.json()["errors"]}
    assert (await marketer.get("/api/v1/campaigns")).json()["items"] == []
    assert await outbox_rows() == []


async def test_a_code_is_used_once(bank: Any, people: Any, plan_body: Any, make_planned: Any) -> None:
    segment_id = await bank.segment()
    await make_planned(segment_id)
    marketer = await people.marketer()
    response = await marketer.post("/api/v1/campaigns", json=plan_body(segment_id))
    assert (response.status_code, response.json()["code"]) == (409, "campaign.code_taken")
    assert len((await marketer.get("/api/v1/campaigns")).json()["items"]) == 1


async def test_the_same_key_plans_once(bank: Any, people: Any, plan_body: Any) -> None:
    body = plan_body(await bank.segment())
    marketer = await people.marketer()
    first = await marketer.post("/api/v1/campaigns", json=body, headers={"Idempotency-Key": "k1"})
    second = await marketer.post("/api/v1/campaigns", json=body, headers={"Idempotency-Key": "k1"})
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.json() == first.json()
    assert len((await marketer.get("/api/v1/campaigns")).json()["items"]) == 1


async def test_a_draft_changes_only_for_who_saw_its_last_version(bank: Any, people: Any, make_planned: Any) -> None:
    campaign = await make_planned(await bank.segment())
    path = f"/api/v1/campaigns/{campaign['id']}"
    marketer = await people.marketer(subject="marketer2")
    assert (await marketer.patch(path, json={"name": "甲"})).status_code == 428
    assert (await marketer.patch(path, json={"name": "甲"}, headers={"If-Match": '"9"'})).status_code == 412
    changed = await marketer.patch(path, json={"name": "甲", "target_amount": None}, headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    assert changed.json() == campaign | {"name": "甲", "version": 2, "makers": ["marketer", "marketer2"]}
    emptied = await marketer.patch(path, json={"name": None}, headers={"If-Match": '"2"'})
    assert (emptied.status_code, emptied.json()["errors"][0]["pointer"]) == (422, "#/name")
    assert (await marketer.get(path)).json() == changed.json()


async def test_nobody_who_had_a_hand_in_a_campaign_reviews_it(
    bank: Any, people: Any, service_app: Any, make_planned: Any, outbox_rows: Any
) -> None:
    campaign = await make_planned(await bank.segment())
    path = f"/api/v1/campaigns/{campaign['id']}"
    marketer = await people.marketer()
    await marketer.post(f"{path}/submissions")
    before = await outbox_rows()
    assert (await marketer.post(f"{path}/approvals")).json()["code"] == "auth.forbidden"
    # Even with both roles in one hand.
    both = await service_app.client("marketer", "compliance", staff_id=bank.staff["head"], subject="marketer")
    for action in ("approvals", "rejections"):
        response = await both.post(f"{path}/{action}", json={"note": "好"})
        assert (response.status_code, response.json()["code"]) == (403, "campaign.maker_may_not_review")
    assert (await marketer.get(path)).json()["state"] == "in_review"
    assert await outbox_rows() == before
    assert (await (await people.compliance()).post(f"{path}/approvals")).status_code == 201


async def test_a_rejected_campaign_is_a_draft_again(bank: Any, people: Any, make_planned: Any) -> None:
    campaign = await make_planned(await bank.segment())
    path = f"/api/v1/campaigns/{campaign['id']}"
    marketer, compliance = await people.marketer(), await people.compliance()
    await marketer.post(f"{path}/submissions")
    rejected = await compliance.post(f"{path}/rejections", json={"note": "请写明利率"})
    assert (rejected.status_code, rejected.json()["state"]) == (201, "draft")
    assert rejected.json()["review_note"] == "请写明利率"
    assert rejected.json()["audience_size"] is None
    assert (await marketer.post(f"{path}/submissions")).json()["state"] == "in_review"


async def test_what_the_state_does_not_allow_is_refused(
    bank: Any, people: Any, make_planned: Any, outbox_rows: Any
) -> None:
    campaign = await make_planned(await bank.segment())
    path = f"/api/v1/campaigns/{campaign['id']}"
    marketer, compliance = await people.marketer(), await people.compliance()
    before = await outbox_rows()
    for client, action, body in (
        (compliance, "approvals", None),
        (compliance, "rejections", {"note": "x"}),
        (marketer, "completions", None),
    ):
        response = await client.post(f"{path}/{action}", json=body)
        assert (response.status_code, response.json()["code"]) == (409, "campaign.transition_refused"), action
    assert (await marketer.get(path)).json() == campaign
    assert await outbox_rows() == before


async def test_an_unpublished_segment_is_no_audience(people: Any, make_planned: Any) -> None:
    campaign = await make_planned(uuid4())
    marketer = await people.marketer()
    response = await marketer.post(f"/api/v1/campaigns/{campaign['id']}/submissions")
    assert (response.status_code, response.json()["code"]) == (409, "campaign.segment_unpublished")
    assert (await marketer.get(f"/api/v1/campaigns/{campaign['id']}")).json() == campaign


async def test_campaigns_are_seen_from_their_unit_upwards(bank: Any, people: Any, plan_body: Any) -> None:
    segment_id = await bank.segment()
    of_a = await people.marketer("a", subject="ma")
    created = await of_a.post("/api/v1/campaigns", json=plan_body(segment_id, code="A"))
    assert created.json()["unit_id"] == str(bank.branch_a)
    path = f"/api/v1/campaigns/{created.json()['id']}"
    for place, status in (("head", 200), ("a", 200), ("b", 404)):
        client = await people.marketer(place)
        assert (await client.get(path)).status_code == status
        assert len((await client.get("/api/v1/campaigns")).json()["items"]) == (1 if status == 200 else 0)
    of_b = await people.marketer("b")
    foreign = await of_b.post(f"{path}/submissions")
    missing = await of_b.post(f"/api/v1/campaigns/{uuid4()}/submissions")
    assert foreign.status_code == missing.status_code == 404
    assert {**foreign.json(), "trace_id": ""} == {**missing.json(), "trace_id": ""}
    for part in ("funnel", "waterfall", "members", "decisions", "messages"):
        assert (await of_b.get(f"{path}/{part}")).status_code == 404, part
    foreign_unit = await of_b.post("/api/v1/campaigns", json=plan_body(segment_id, unit_id=str(bank.branch_a)))
    assert (foreign_unit.status_code, foreign_unit.json()["errors"][0]["pointer"]) == (422, "#/unit_id")


async def test_the_list_is_paged_by_cursor_under_inserts(bank: Any, people: Any, plan_body: Any, clock: Any) -> None:
    segment_id = await bank.segment()
    marketer = await people.marketer()
    for number in range(5):
        await marketer.post("/api/v1/campaigns", json=plan_body(segment_id, code=f"C{number}"))
        clock.advance(timedelta(seconds=1))
    first = (await marketer.get("/api/v1/campaigns", params={"limit": 2})).json()
    await marketer.post("/api/v1/campaigns", json=plan_body(segment_id, code="NEW"))
    rest = (await marketer.get("/api/v1/campaigns", params={"limit": 3, "cursor": first["next_cursor"]})).json()
    assert [found["code"] for found in first["items"] + rest["items"]] == ["C4", "C3", "C2", "C1", "C0"]
    assert rest["next_cursor"] is None
    wrong = await marketer.get("/api/v1/campaigns", params={"cursor": "nonsense"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "request.bad_cursor")
