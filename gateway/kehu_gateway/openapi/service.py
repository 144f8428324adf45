"""Fetches the services' documents and keeps the last good ones."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from time import monotonic
from typing import Any, Final

from kehu_chassis.problems import DependencyUnavailable
from kehu_gateway.openapi.rules import Document, merge
from kehu_gateway.proxy.upstream import ServiceTimedOut, Upstream

__all__ = ["Documents"]

_FRESH: Final = 60.0
_TIMEOUT: Final = 5.0


class Documents:
    """The suite's API document; built again when a minute has passed. A service that is away is there as last seen."""

    def __init__(self, upstreams: Mapping[str, Upstream]) -> None:
        self._upstreams = upstreams
        self._known: dict[str, Document] = {}
        self._asked_at: float | None = None
        self._lock = asyncio.Lock()

    async def whole(self, own: Document) -> dict[str, Any]:
        """One document; `x-unavailable` names the services whose part could not be had.

        Args:
            own: the gateway's.
        """
        async with self._lock:
            complete = len(self._known) == len(self._upstreams)
            if self._asked_at is None or monotonic() - self._asked_at > _FRESH or not complete:
                await asyncio.gather(*(self._fetch(name) for name in self._upstreams))
                self._asked_at = monotonic()
        documents = {
            "gateway": own,
            **{name: self._known[name] for name in self._upstreams if name in self._known},
        }
        whole = merge(documents, title="Kehu", version="1")
        missing = [name for name in self._upstreams if name not in self._known]
        return {**whole, "x-unavailable": missing} if missing else whole

    async def _fetch(self, name: str) -> None:
        try:
            answer = await self._upstreams[name].read("/openapi.json", token=None, timeout=_TIMEOUT)
        except (DependencyUnavailable, ServiceTimedOut):
            return
        if answer.status == 200:
            self._known[name] = answer.content
