"""Ask all services at once, and make one answer of what comes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from kehu_chassis.clock import technical_now
from kehu_chassis.problems import DependencyUnavailable, NotFound
from kehu_gateway.overview.memory import Memory
from kehu_gateway.proxy.upstream import Read, ServiceTimedOut, Upstream

__all__ = ["SECTIONS", "Caller", "read_overview"]

SECTIONS: Final[Mapping[str, tuple[str, str]]] = {
    "profile": ("customer", "profile"),
    "holdings": ("customer", "accounts"),
    "segments": ("segmentation", "segments"),
    "complaints": ("complaints", "complaints"),
    "campaigns": ("campaigns", "campaigns"),
}
"""Which service answers a section, by which resource below /customers/{id}."""


class Caller:
    """On whose behalf the services are asked."""

    def __init__(self, subject: str, token: str, language: str) -> None:
        self.subject = subject
        self.token = token
        self.language = language


async def read_overview(
    upstreams: Mapping[str, Upstream], memory: Memory, customer_id: UUID, caller: Caller, *, timeout: float
) -> dict[str, Any]:
    """The sections of the 360, asked for concurrently.

    Raises:
        NotFound: the customer service does not know the customer within the caller's scope; or it is away, and no other
            service knows him.
    """
    names = list(SECTIONS)
    found = await asyncio.gather(
        *(_section(upstreams, memory, customer_id, caller, name, timeout=timeout) for name in names)
    )
    sections = dict(zip(names, found, strict=True))
    profile = sections["profile"]
    if profile["reason"] == "not_found":
        for name in names:
            memory.forget((caller.subject, str(customer_id), name))
        raise NotFound
    if profile["data"] is None and all(section["data"] is None for section in found) and _unknown(sections):
        raise NotFound
    return {"customer_id": customer_id, "sections": sections}


def _unknown(sections: Mapping[str, Mapping[str, Any]]) -> bool:
    return any(section["reason"] == "not_found" for section in sections.values())


async def _section(  # noqa: PLR0913 - whom to ask what, for whom.
    upstreams: Mapping[str, Upstream],
    memory: Memory,
    customer_id: UUID,
    caller: Caller,
    name: str,
    *,
    timeout: float,
) -> dict[str, Any]:
    service, resource = SECTIONS[name]
    key = (caller.subject, str(customer_id), name)
    try:
        answer = await upstreams[service].read(
            f"/api/v1/customers/{customer_id}/{resource}",
            token=caller.token,
            language=caller.language,
            timeout=timeout,
        )
    except ServiceTimedOut:
        # Slow, but there: what the caller saw a moment ago is near enough, and says how old it is.
        return _stale(memory, key, "timeout")
    except DependencyUnavailable:
        return {"status": "unavailable", "as_of": None, "reason": "unreachable", "data": None}
    return _answered(memory, key, answer)


def _answered(memory: Memory, key: tuple[str, str, str], answer: Read) -> dict[str, Any]:
    if answer.status == 200:
        now = technical_now()
        memory.keep(key, answer.content, now)
        return {"status": "ok", "as_of": now, "reason": None, "data": answer.content}
    memory.forget(key)
    reason = {403: "forbidden", 404: "not_found"}.get(answer.status, "refused")
    return {"status": "unavailable", "as_of": None, "reason": reason, "data": None}


def _stale(memory: Memory, key: tuple[str, str, str], reason: str) -> dict[str, Any]:
    kept = memory.recall(key, technical_now())
    if kept is None:
        return {"status": "unavailable", "as_of": None, "reason": reason, "data": None}
    return {"status": "stale", "as_of": kept.as_of, "reason": reason, "data": kept.data}
