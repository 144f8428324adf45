"""Finds the route of a request by its path's segments, so that the hundredth route costs as little as the first.

FastAPI tries one route after another, and each try costs more than a dictionary look-up. What is not found here (another
method, no such path, a mounted application) goes FastAPI's own way.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from starlette.convertors import PathConvertor, StringConvertor
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["Dispatcher"]

_PARAMETER: Final = object()
_REST: Final = object()
_ROUTES: Final = object()
_ANY: Final = "*"
_CONVERTORS: Final = frozenset({StringConvertor, PathConvertor})

_Node = dict[Any, Any]


class Dispatcher:
    """An ASGI application in front of a router.

    Args:
        routes: those that are looked for; a literal segment goes before a parameter, and that before a rest of the path.
        fallback: answers what none of them matches.
    """

    def __init__(self, routes: Iterable[BaseRoute], fallback: ASGIApp) -> None:
        self._fallback = fallback
        self._root: _Node = {}
        for route in routes:
            if isinstance(route, Route) and all(
                type(convertor) in _CONVERTORS for convertor in route.param_convertors.values()
            ):
                self._add(route)

    def _add(self, route: Route) -> None:
        node = self._root
        names = []
        segments = route.path.split("/")
        for segment in segments:
            name, _, convertor = segment[1:-1].partition(":")
            if segment.startswith("{") and segment.endswith("}"):
                if convertor == "path" and segment is not segments[-1]:
                    return
                names.append(name)
                node = node.setdefault(_REST if convertor == "path" else _PARAMETER, {})
            elif "{" in segment:
                return
            else:
                node = node.setdefault(segment, {})
        by_method = node.setdefault(_ROUTES, {})
        for method in route.methods or (_ANY,):
            by_method.setdefault(method, (route, tuple(names)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request by its route, or hand it on."""
        if scope["type"] == "http" and not scope.get("root_path"):
            values: list[str] = []
            found = _find(self._root, scope["path"].split("/"), 0, scope["method"], values)
            if found is not None:
                route, names = found
                scope["path_params"] = dict(zip(names, values, strict=True))
                scope["endpoint"] = route.endpoint
                scope["route"] = route
                await route.app(scope, receive, send)
                return
        await self._fallback(scope, receive, send)


def _find(
    node: _Node, segments: list[str], at: int, method: str, values: list[str]
) -> tuple[Route, tuple[str, ...]] | None:
    if at == len(segments):
        return _of_method(node, method)
    segment = segments[at]
    literal = node.get(segment)
    if literal is not None:
        found = _find(literal, segments, at + 1, method, values)
        if found is not None:
            return found
    parameter = node.get(_PARAMETER)
    if parameter is not None and segment:
        values.append(segment)
        found = _find(parameter, segments, at + 1, method, values)
        if found is not None:
            return found
        values.pop()
    rest = node.get(_REST)
    if rest is not None:
        values.append("/".join(segments[at:]))
        found = _of_method(rest, method)
        if found is not None:
            return found
        values.pop()
    return None


def _of_method(node: _Node, method: str) -> tuple[Route, tuple[str, ...]] | None:
    by_method = node.get(_ROUTES, {})
    found: tuple[Route, tuple[str, ...]] | None = by_method.get(method) or by_method.get(_ANY)
    return found
