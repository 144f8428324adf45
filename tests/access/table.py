"""The declared table: what every route of the four services asks for, whose rows it shows, and how it is called.

A name in braces stands for a thing of the place that a call is about (see `world.bank`): `{customer}` is a customer of
the east, then of the lake, then of the west, then one that does not exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from kehu_contracts.access import Permission as P  # noqa: N817  it stands in every line of the table

__all__ = ["TABLE", "Route"]


@dataclass(frozen=True, slots=True)
class Route:
    """One route.

    Args:
        asks: the permissions that a caller needs, all of them.
        rows: what decides which rows a caller reaches: the unit that owns the row, the customer whom it is about, or
            nothing, when everybody with the permission sees all of them.
        reads: `one` names its thing in path or body, `list` shows what is in reach, `search` finds by a value, `log` tells of
            the whole bank, so that only roles that reach all of it may read it.
        path: which thing stands for each parameter of the path, where it is not named like the parameter.
        body: what is sent; `query` likewise.
        refers: things that an answer may name though they stand elsewhere: a customer's own story tells of head office's
            campaigns too.
        lists: the thing of which a list has one for each place in reach, and none of another.
        etag: the thing that holds the version, where `If-Match` is needed.
        status: the answer in reach.
        refused: the answer when the thing is foreign or missing.
    """

    asks: frozenset[P]
    rows: Literal["unit", "subject", "none"]
    reads: Literal["one", "list", "search", "log"] = "one"
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    refers: frozenset[str] = frozenset()
    lists: str = ""
    etag: str = ""
    status: int = 200
    refused: int = 404


def _route(*asks: P, rows: Literal["unit", "subject", "none"], **values: Any) -> Route:
    return Route(frozenset(asks), rows, **values)


def _operations(service: str) -> dict[str, Route]:
    base = f"/api/v1/operations/{service}"
    letter = {"dead_letter_id": f"{service}_dead_letter"}
    consumer = {"subscription": f"{service}_consumer"}
    step: dict[str, Any] = {"rows": "none", "body": {"reason": "The rule was mended."}, "status": 202}
    reads = ("health", "consumers", "outbox", "dead-letters")
    return {
        **{f"GET {base}/{name}": _route(P.OPERATIONS_READ, rows="none", reads="list") for name in reads},
        f"GET {base}/audit": _route(P.AUDIT_READ, rows="none", reads="log"),
        f"GET {base}/dead-letters/{{dead_letter_id}}": _route(P.OPERATIONS_READ, rows="none", path=letter),
        f"POST {base}/dead-letters/{{dead_letter_id}}/redrives": _route(P.OPERATIONS_WRITE, path=letter, **step),
        f"POST {base}/dead-letters/{{dead_letter_id}}/skips": _route(P.OPERATIONS_WRITE, path=letter, **step),
        f"POST {base}/consumers/{{subscription}}/resumptions": _route(P.OPERATIONS_WRITE, path=consumer, **step),
    }


C: Final = "/api/v1/customers/{customer_id}"
_CAMPAIGNS: Final = frozenset({"draft", "submitted", "running"})
_INDIVIDUAL: Final = {"kind": "individual", "name": "李雷", "unit_id": "{unit}"}
_CONSENT: Final = {
    "purpose": "marketing",
    "channel": "sms",
    "status": "withdrawn",
    "notice_version": "2026-01",
    "proof": "form 2",
}

CUSTOMER: Final = {
    "GET /api/v1/customers": _route(P.CUSTOMER_READ, rows="unit", reads="list", lists="customer"),
    "POST /api/v1/customers": _route(P.CUSTOMER_WRITE, rows="unit", body=_INDIVIDUAL, status=201, refused=422),
    "POST /api/v1/customers/lookups": _route(
        P.CUSTOMER_READ, rows="subject", reads="search", body={"type": "phone", "value": "{phone}"}
    ),
    f"GET {C}": _route(P.CUSTOMER_READ, rows="subject"),
    f"PATCH {C}": _route(P.CUSTOMER_WRITE, rows="subject", body={"occupation": "2-01"}, etag="version"),
    **{
        f"GET {C}/{part}": _route(P.CUSTOMER_READ, rows="subject")
        for part in (
            "profile",
            "names",
            "contact-points",
            "documents",
            "consents",
            "ownership",
            "accounts",
            "transactions",
        )
    },
    f"GET {C}/timeline": _route(P.CUSTOMER_READ, rows="subject", refers=_CAMPAIGNS),
    f"POST {C}/names": _route(
        P.CUSTOMER_WRITE, rows="subject", body={"type": "latin", "name": "Wang Xiaoming"}, status=201
    ),
    f"POST {C}/contact-points": _route(
        P.CUSTOMER_WRITE, rows="subject", body={"type": "email", "value": "wang@example.com"}, status=201
    ),
    f"PATCH {C}/contact-points/{{contact_point_id}}": _route(
        P.CUSTOMER_WRITE,
        rows="subject",
        path={"contact_point_id": "contact_point"},
        body={"verified": True},
        etag="point_version",
    ),
    f"POST {C}/documents": _route(
        P.CUSTOMER_WRITE, rows="subject", body={"type": "passport", "number": "E12345678"}, status=201
    ),
    f"POST {C}/consents": _route(P.CONSENT_WRITE, rows="subject", body=_CONSENT, status=201),
    f"POST {C}/interactions": _route(
        P.CUSTOMER_WRITE,
        rows="subject",
        body={"kind": "visit", "channel": "counter", "direction": "inbound"},
        status=201,
    ),
    f"POST {C}/reveals": _route(
        P.CUSTOMER_REVEAL, rows="subject", body={"fields": ["name"], "reason": "asked by phone"}
    ),
    f"PUT {C}/ownership": _route(
        P.OWNERSHIP_WRITE,
        rows="subject",
        body={"unit_id": "{unit}", "primary_rm_id": None, "reason": "hand-over"},
        etag="version",
    ),
    f"POST {C}/erasures": _route(
        P.CUSTOMER_ERASE, rows="subject", path={"customer_id": "spare"}, body={"reason": "asked to"}, status=201
    ),
    "POST /api/v1/contact-resolutions": _route(
        P.CONTACT_RESOLVE,
        rows="subject",
        reads="search",
        body={"purpose": "marketing", "channel": "sms", "customer_ids": ["{customer}"]},
    ),
    "POST /api/v1/merges": _route(
        P.CUSTOMER_MERGE,
        rows="subject",
        body={"customer_id": "{spare}", "survivor_id": "{customer}", "reason": "same person"},
        status=201,
    ),
    "GET /api/v1/merges/{merge_id}": _route(P.CUSTOMER_READ, rows="subject", path={"merge_id": "merge"}),
    "POST /api/v1/merges/{merge_id}/undo": _route(
        P.CUSTOMER_MERGE, rows="subject", path={"merge_id": "merge"}, body={"reason": "two persons"}
    ),
    "GET /api/v1/source-records": _route(
        P.CUSTOMER_READ, rows="subject", reads="search", query={"source": "core", "source_id": "{source_id}"}
    ),
    "GET /api/v1/units": _route(P.ORGANIZATION_READ, rows="none", reads="list"),
    "GET /api/v1/staff": _route(P.ORGANIZATION_READ, rows="none", reads="list"),
    **_operations("customer"),
}

_RULE: Final = {"type": "attribute", "name": "kind", "operator": "=", "value": "company"}
_SEGMENT: Final = {"segment_id": "segment"}
_DRAFT: Final = {"segment_id": "draft_segment"}

SEGMENTATION: Final = {
    "GET /api/v1/segments": _route(P.SEGMENT_READ, rows="none", reads="list"),
    "POST /api/v1/segments": _route(
        P.SEGMENT_WRITE, rows="none", reads="list", body={"code": "new", "name": "New", "rule": _RULE}, status=201
    ),
    "GET /api/v1/segments/{segment_id}": _route(P.SEGMENT_READ, rows="none", path=_SEGMENT),
    "PATCH /api/v1/segments/{segment_id}": _route(
        P.SEGMENT_WRITE, rows="none", path=_DRAFT, body={"name": "Renamed", "rule": _RULE}, etag="draft_segment_version"
    ),
    "GET /api/v1/segments/{segment_id}/publications": _route(P.SEGMENT_READ, rows="none", path=_SEGMENT),
    "POST /api/v1/segments/{segment_id}/publications": _route(P.SEGMENT_WRITE, rows="none", path=_DRAFT, status=202),
    "GET /api/v1/segments/{segment_id}/publications/{rule_version}": _route(
        P.SEGMENT_READ, rows="none", path={**_SEGMENT, "rule_version": "segment_version"}
    ),
    "GET /api/v1/segments/{segment_id}/members": _route(
        P.SEGMENT_READ, rows="subject", reads="list", path=_SEGMENT, lists="customer"
    ),
    "GET /api/v1/segments/{segment_id}/explanations/{customer_id}": _route(
        P.SEGMENT_READ, rows="subject", path=_SEGMENT
    ),
    f"GET {C}/features": _route(P.SEGMENT_READ, rows="subject"),
    f"GET {C}/segments": _route(P.SEGMENT_READ, rows="subject"),
    "GET /api/v1/tiers": _route(P.SEGMENT_READ, rows="none", reads="list"),
    **_operations("segmentation"),
}

CASE: Final = "/api/v1/complaints/{complaint_id}"
_NOTE: Final = {"note": "A second fee has turned up."}


def _step(state: str, **body: Any) -> Route:
    return _route(P.COMPLAINT_WRITE, rows="unit", path={"complaint_id": state}, body=body, status=201)


def _extension(permission: P, state: str, **body: Any) -> Route:
    path = {"complaint_id": state, "extension_id": f"{state}_extension"}
    return _route(permission, rows="unit", path=path, body=body, status=201)


COMPLAINTS: Final = {
    "GET /api/v1/complaints": _route(P.COMPLAINT_READ, rows="unit", reads="list", lists="received"),
    "POST /api/v1/complaints": _route(
        P.COMPLAINT_WRITE,
        rows="subject",
        body={"channel": "phone", "narrative": "Charged twice.", "customer_id": "{customer}", "unit_id": "{unit}"},
        status=201,
        refused=422,
    ),
    f"GET {CASE}": _route(P.COMPLAINT_READ, rows="unit", path={"complaint_id": "received"}),
    f"PATCH {CASE}": _route(
        P.COMPLAINT_WRITE,
        rows="unit",
        path={"complaint_id": "received"},
        body={"category": "fees"},
        etag="received_version",
    ),
    **{
        f"GET {CASE}/{part}": _route(P.COMPLAINT_READ, rows="unit", path={"complaint_id": "asked"})
        for part in ("history", "clock", "extensions")
    },
    f"POST {CASE}/acceptances": _step("received", handler_id="{staff}"),
    f"POST {CASE}/rejections": _step("received"),
    f"POST {CASE}/investigations": _step("accepted"),
    f"POST {CASE}/pauses": _step("investigating", basis="external_appraisal"),
    f"POST {CASE}/resumptions": _step("paused"),
    f"POST {CASE}/decisions": _step("investigating", outcome="upheld"),
    f"POST {CASE}/notifications": _step("decided", channel="phone"),
    f"POST {CASE}/review-requests": _step("notified", **_NOTE),
    f"POST {CASE}/review-conclusions": _step("in_review", outcome="confirmed"),
    f"POST {CASE}/closures": _step("notified"),
    f"POST {CASE}/withdrawals": _step("received"),
    f"POST {CASE}/reopenings": _step("closed", **_NOTE),
    f"POST {CASE}/extensions": _step("investigating", code="complex", reason="Two banks are involved."),
    f"POST {CASE}/extensions/{{extension_id}}/approvals": _extension(
        P.COMPLAINT_APPROVE_EXTENSION, "asked", notice={"channel": "phone"}
    ),
    f"POST {CASE}/extensions/{{extension_id}}/refusals": _extension(
        P.COMPLAINT_APPROVE_EXTENSION, "asked", reason="Not exceptional."
    ),
    f"POST {CASE}/extensions/{{extension_id}}/notices": _extension(P.COMPLAINT_WRITE, "granted", channel="phone"),
    f"GET {C}/complaints": _route(P.COMPLAINT_READ, rows="subject"),
    "GET /api/v1/complaint-categories": _route(P.COMPLAINT_READ, rows="none", reads="list"),
    **_operations("complaints"),
}

PLAN: Final = "/api/v1/campaigns/{campaign_id}"
_PLAN: Final = {
    "code": "NEW",
    "name": "春季存款",
    "objective": "留住到期资金",
    "unit_id": "{unit}",
    "channel": "sms",
    "product_code": "TD-12M",
    "message": "{{ salutation }}您好，{{ product }} 今日开售。",
    "audience": {"any_of": ["{segment}"]},
    "ends_at": "2026-04-02T00:00:00Z",
}
_RUNNING: Final = {"campaign_id": "running"}
_SUBMITTED: Final = {"campaign_id": "submitted"}

CAMPAIGNS: Final = {
    "GET /api/v1/campaigns": _route(P.CAMPAIGN_READ, rows="unit", reads="list", lists="running"),
    "POST /api/v1/campaigns": _route(P.CAMPAIGN_WRITE, rows="unit", body=_PLAN, status=201, refused=422),
    f"GET {PLAN}": _route(P.CAMPAIGN_READ, rows="unit", path={"campaign_id": "draft"}),
    f"PATCH {PLAN}": _route(
        P.CAMPAIGN_WRITE, rows="unit", path={"campaign_id": "draft"}, body={"name": "夏季存款"}, etag="draft_version"
    ),
    f"POST {PLAN}/submissions": _route(P.CAMPAIGN_WRITE, rows="unit", path={"campaign_id": "draft"}, status=201),
    f"POST {PLAN}/approvals": _route(
        P.CAMPAIGN_REVIEW, rows="unit", path=_SUBMITTED, body={"note": "Good."}, status=201
    ),
    f"POST {PLAN}/rejections": _route(
        P.CAMPAIGN_REVIEW, rows="unit", path=_SUBMITTED, body={"note": "Too loud."}, status=201
    ),
    f"POST {PLAN}/completions": _route(P.CAMPAIGN_WRITE, rows="unit", path=_RUNNING, status=201),
    f"GET {PLAN}/members": _route(P.CAMPAIGN_READ, rows="unit", path=_RUNNING, lists="customer"),
    f"GET {PLAN}/decisions": _route(P.CAMPAIGN_READ, rows="unit", path=_RUNNING, lists="customer"),
    f"GET {PLAN}/messages": _route(P.CAMPAIGN_READ, rows="unit", path=_RUNNING),
    f"GET {PLAN}/waterfall": _route(P.CAMPAIGN_READ, rows="unit", path={"campaign_id": "draft"}),
    f"GET {PLAN}/funnel": _route(P.CAMPAIGN_READ, rows="unit", path=_RUNNING),
    "POST /api/v1/contact-decisions": _route(
        P.CAMPAIGN_READ,
        P.CUSTOMER_READ,
        rows="subject",
        body={"customer_id": "{customer}", "channel": "sms", "purpose": "marketing"},
    ),
    f"GET {C}/campaigns": _route(P.CAMPAIGN_READ, P.CUSTOMER_READ, rows="subject", refers=_CAMPAIGNS),
    **_operations("campaigns"),
}

TABLE: Final[Mapping[str, Mapping[str, Route]]] = {
    "customer": CUSTOMER,
    "segmentation": SEGMENTATION,
    "complaints": COMPLAINTS,
    "campaigns": CAMPAIGNS,
}
