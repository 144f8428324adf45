"""How a route of the table is called for somebody about a place, and what an answer gives away."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import httpx

from kehu_contracts.access import PERMISSIONS

from ..world.bank import Caller, World, staff_of  # noqa: TID252  no installed package holds the world of the tests
from .table import Route

__all__ = ["Crawler", "named_in_path", "names_of", "request_for", "told"]

_NAME: Final = re.compile(r"\{([a-z_]+)\}")


def request_for(operation: str, route: Route, things: Mapping[str, str]) -> dict[str, Any]:
    """The request that a route stands for, about these things: arguments of `client.request`."""
    method, _, template = operation.partition(" ")

    def parameter(found: re.Match[str]) -> str:
        return things[route.path.get(found[1], found[1].removesuffix("_id"))]

    return {
        "method": method,
        "url": _NAME.sub(parameter, template),
        "params": _filled(dict(route.query), things),
        "json": _filled(route.body, things),
        "headers": {"If-Match": things[route.etag]} if route.etag else {},
    }


def _filled(value: Any, things: Mapping[str, str]) -> Any:
    match value:
        case str():
            return _NAME.sub(lambda found: things[found[1]], value)
        case Mapping():
            return {name: _filled(item, things) for name, item in value.items()}
        case list():
            return [_filled(item, things) for item in value]
    return value


def named_in_path(operation: str, route: Route) -> list[str]:
    """The things that the path of a route names, from left to right."""
    return [route.path.get(name, name.removesuffix("_id")) for name in _NAME.findall(operation)]


def names_of(operation: str, route: Route) -> list[str]:
    """The things that a route names anywhere."""
    return named_in_path(operation, route) + _NAME.findall(str([route.query, route.body]))


def told(answer: httpx.Response) -> dict[str, Any]:
    """All that an answer says, but for what tells one request from the next."""
    return {
        "status": answer.status_code,
        **{name: value for name, value in answer.json().items() if name != "trace_id"},
    }


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for name, item in value.items():
                yield name
                yield from _texts(item)
        case list():
            for item in value:
                yield from _texts(item)


class Crawler:
    """Calls the services for everybody. Nothing that it does stays."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.absent = world.absent
        self._owners = world.owners()
        self._clients: dict[tuple[str, str, str], httpx.AsyncClient] = {}

    async def client(self, service: str, caller: Caller | None, locks: str) -> httpx.AsyncClient:
        """A client of the application with both locks, or with `second` of them alone; without a caller, no token."""
        place = (service, str(caller), locks)
        if place not in self._clients:
            opened = self.world.services[service]
            app = opened.rehearsed if locks == "both" else opened.second_lock
            if caller is None:
                self._clients[place] = await app.client()
            else:
                staff_id = None if caller.place is None else staff_of(caller.place)
                self._clients[place] = await app.client(
                    caller.role, staff_id=staff_id, subject=f"crawler-{caller.role}"
                )
        return self._clients[place]

    def places(self, operation: str, route: Route) -> dict[str, dict[str, str]]:
        """The things of each place that has all that the route names."""
        wanted = {*names_of(operation, route), *([route.etag] if route.etag else [])}
        return {place: things for place, things in self.world.things.items() if wanted <= things.keys()}

    def shown(self, answer: httpx.Response, route: Route) -> set[str]:
        """The places whose rows an answer gives away, by an id or a number anywhere in it."""
        found = (self._owners[text] for text in _texts(answer.json()) if text in self._owners)
        return {place for place, name in found if name not in route.refers}

    @staticmethod
    def may(caller: Caller, route: Route) -> bool:
        """Whether the caller's role has what the route asks for."""
        return route.asks <= PERMISSIONS[caller.role]
