"""What the staff of the test bank have done: a segment, campaigns and complaints in the states that their routes ask for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import httpx

from kehu_contracts.access import Role

from .bank import BRANCHES, posted

if TYPE_CHECKING:
    from .bank import World

RULE: Final = {"type": "attribute", "name": "kind", "operator": "=", "value": "individual"}
STATES: Final[dict[str, tuple[str, ...]]] = {
    "received": (),
    "accepted": ("acceptances",),
    "investigating": ("acceptances", "investigations"),
    "paused": ("acceptances", "investigations", "pauses"),
    "decided": ("acceptances", "investigations", "decisions"),
    "notified": ("acceptances", "investigations", "decisions", "notifications"),
    "in_review": ("acceptances", "investigations", "decisions", "notifications", "review-requests"),
    "closed": ("acceptances", "investigations", "decisions", "notifications", "closures"),
}
"""How a case gets into each state."""
STEPS: Final[dict[str, dict[str, Any]]] = {
    "pauses": {"basis": "external_appraisal"},
    "decisions": {"outcome": "upheld"},
    "notifications": {"channel": "phone"},
    "review-requests": {"note": "I do not agree."},
}


def plan(code: str, **changes: Any) -> dict[str, Any]:
    """A body that plans a campaign."""
    return {
        "code": code,
        "name": "春季存款",
        "objective": "留住到期资金",
        "channel": "sms",
        "product_code": "TD-12M",
        "message": "{{ salutation }}您好，{{ product }} 今日开售。",
        "ends_at": datetime(2026, 4, 2, tzinfo=UTC).isoformat(),
        **changes,
    }


async def version(client: httpx.AsyncClient, path: str) -> str:
    """The ETag of something that is there."""
    answer = await client.get(path)
    assert answer.is_success, (path, answer.text)
    return str(answer.headers["etag"])


async def segment(world: World) -> None:
    """A published segment of all individuals, and a draft."""
    marketer = await world.person("segmentation", Role.MARKETER, "head")
    for name in ("segment", "draft_segment"):
        body = {"code": name, "name": name, "rule": RULE}
        made = await posted(marketer, "/api/v1/segments", body)
        for things in world.things.values():
            things |= {name: made["segment_id"], "segment_version": "1"}
    await posted(marketer, f"/api/v1/segments/{world.things['east']['segment']}/publications")
    await world.services["segmentation"].fire_timers()
    await world.carry()
    for things in world.things.values():
        things["draft_segment_version"] = await version(marketer, f"/api/v1/segments/{things['draft_segment']}")


async def campaign(world: World) -> None:
    """In every branch a draft, a campaign under review and one that runs and has sent its messages."""
    compliance = await world.person("campaigns", Role.COMPLIANCE)
    for place in BRANCHES:
        marketer = await world.person("campaigns", Role.MARKETER, place)
        things = world.things[place]
        for name in ("draft", "submitted", "running"):
            body = plan(f"{name}-{place}", audience={"any_of": [things["segment"]]})
            things[name] = (await posted(marketer, "/api/v1/campaigns", body))["id"]
            if name != "draft":
                await posted(marketer, f"/api/v1/campaigns/{things[name]}/submissions")
        await posted(compliance, f"/api/v1/campaigns/{things['running']}/approvals")
        things["draft_version"] = await version(marketer, f"/api/v1/campaigns/{things['draft']}")
    await world.services["campaigns"].fire_timers()


async def complain(world: World) -> None:
    """In every branch a case in each state, and two whose exceptional extension is asked for or granted."""
    compliance = await world.person("complaints", Role.COMPLIANCE, "east")
    # Whoever asks for an extension may not approve it, in whatever role.
    superior = await world.person("complaints", Role.COMPLAINT_HANDLER, "head")
    for place in BRANCHES:
        handler = await world.person("complaints", Role.COMPLAINT_HANDLER, place)
        things = world.things[place]
        body = {"channel": "phone", "narrative": "Charged twice.", "customer_id": things["customer"]}
        for state, steps in STATES.items():
            case = await posted(handler, "/api/v1/complaints", body)
            things |= {state: case["complaint_id"], f"{state}_number": case["complaint_number"]}
            for step in steps:
                await posted(handler, f"/api/v1/complaints/{things[state]}/{step}", STEPS.get(step, {}))
        for name in ("asked", "granted"):
            case = (await posted(handler, "/api/v1/complaints", body))["complaint_id"]
            for code in ("complex", "exceptional"):
                extension = await posted(
                    superior, f"/api/v1/complaints/{case}/extensions", {"code": code, "reason": "Two banks."}
                )
            things |= {name: case, f"{name}_extension": extension["extension_id"]}
        granted = f"/api/v1/complaints/{things['granted']}/extensions/{things['granted_extension']}"
        await posted(compliance, f"{granted}/approvals", {})
        things["received_version"] = await version(handler, f"/api/v1/complaints/{things['received']}")
