"""The dispatcher finds what the router would find, and leaves the rest to it."""

from __future__ import annotations

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from kehu_chassis.dispatch import Dispatcher


async def answer(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{request.scope['route'].path} {request.path_params}")


ROUTES = [
    Route("/things", answer, methods=["GET"]),
    Route("/things", answer, methods=["POST"]),
    Route("/things/{thing}", answer),
    Route("/things/special", answer),
    Route("/things/{thing}/parts/{part}", answer),
    Route("/things/special/parts", answer),
    Route("/files/{path:path}", answer),
    Route("/files/{path:path}/size", answer),
    Route("/all/{path:path}", answer, methods=["PATCH"]),
    Route("/all/things", answer),
]


@pytest.fixture
def app() -> ASGIApp:
    router = Router(routes=ROUTES)

    async def fallback(scope: Scope, receive: Receive, send: Send) -> None:
        scope["fell_back"] = True
        await router(scope, receive, send)

    return Dispatcher(ROUTES, fallback)


async def ask(app: ASGIApp, method: str, path: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        return await client.request(method, path)


@pytest.mark.parametrize(
    ("method", "path", "found"),
    [
        ("GET", "/things", "/things {}"),
        ("POST", "/things", "/things {}"),
        ("GET", "/things/7", "/things/{thing} {'thing': '7'}"),
        ("GET", "/things/special", "/things/special {}"),
        ("GET", "/things/special/parts", "/things/special/parts {}"),
        ("GET", "/things/special/parts/1", "/things/{thing}/parts/{part} {'thing': 'special', 'part': '1'}"),
        ("GET", "/files/a/b", "/files/{path:path} {'path': 'a/b'}"),
        ("GET", "/files/", "/files/{path:path} {'path': ''}"),
        ("PATCH", "/all/things", "/all/{path:path} {'path': 'things'}"),
        ("GET", "/things/a%20b", "/things/{thing} {'thing': 'a b'}"),
    ],
)
async def test_a_path_finds_its_route_and_a_literal_goes_first(
    app: ASGIApp, method: str, path: str, found: str
) -> None:
    response = await ask(app, method, path)
    assert (response.status_code, response.text) == (200, found)


async def test_what_it_does_not_know_goes_the_routers_way(app: ASGIApp) -> None:
    assert (await ask(app, "DELETE", "/things")).status_code == 405
    assert (await ask(app, "GET", "/nothing")).status_code == 404
    assert (await ask(app, "GET", "/things//parts/1")).status_code == 404
