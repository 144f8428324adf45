"""Every route, every role, every place: what is answered is what the table, PERMISSIONS and REACH say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pytest

from kehu_contracts.access import REACH, Reach

from ..world.bank import CALLERS, Caller  # noqa: TID252  no installed package holds the world of the tests
from ..world.service import SERVICES  # noqa: TID252  the same
from .crawl import Crawler, named_in_path, names_of, request_for, told
from .table import TABLE, Route

OPERATIONS = [(service, operation) for service in SERVICES for operation in TABLE[service]]


@pytest.mark.parametrize("service", SERVICES)
async def test_the_table_declares_every_route_with_its_permission(crawler: Crawler, service: str) -> None:
    document = crawler.world.services[service].app.app.openapi()
    found = {
        f"{method.upper()} {path}": frozenset(operation["x-permission"].split())
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }
    assert found == {operation: route.asks for operation, route in TABLE[service].items()}


@pytest.mark.parametrize(("service", "operation"), OPERATIONS)
async def test_nobody_gets_in_without_a_token_or_permission(crawler: Crawler, service: str, operation: str) -> None:
    route = TABLE[service][operation]
    request = request_for(operation, route, next(iter(crawler.places(operation, route).values())))
    nobody = await crawler.client(service, None, "both")
    answer = await nobody.request(**request)
    assert (answer.status_code, answer.json()["code"]) == (401, "auth.token_invalid")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    for caller in CALLERS:
        if not crawler.may(caller, route):
            client = await crawler.client(service, caller, "both")
            answer = await client.request(**request)
            assert (answer.status_code, answer.json()["code"]) == (403, "auth.forbidden"), caller


@pytest.mark.parametrize(("service", "operation"), OPERATIONS)
async def test_each_caller_meets_the_rows_in_reach_and_no_other(crawler: Crawler, service: str, operation: str) -> None:
    route = TABLE[service][operation]
    for caller in CALLERS:
        if crawler.may(caller, route):
            await CHECKS[route.reads](crawler, (service, operation, "both"), route, caller)


@pytest.mark.parametrize(
    ("service", "operation"), [(where, what) for where, what in OPERATIONS if TABLE[where][what].rows != "none"]
)
async def test_without_the_first_lock_nobody_meets_a_foreign_row(
    crawler: Crawler, service: str, operation: str
) -> None:
    route = TABLE[service][operation]
    # The first lock is one for those alone who reach a part of the bank; which of their roles is nothing to the second.
    scoped = {c.place: c for c in CALLERS if crawler.may(c, route) and REACH[c.role] is Reach.SUBTREE}
    for caller in scoped.values():
        await CHECKS[route.reads](crawler, (service, operation, "second"), route, caller)


Place = tuple[str, str, str]


async def _finds_one(crawler: Crawler, where: Place, route: Route, caller: Caller) -> None:
    service, operation, locks = where
    client = await crawler.client(service, caller, locks)

    async def refused(things: Mapping[str, str]) -> dict[str, Any]:
        answer = await client.request(**request_for(operation, route, things))
        assert not crawler.shown(answer, route), (caller, answer.text)
        return told(answer)

    missing = None
    if names_of(operation, route):
        missing = await refused(crawler.absent)
        assert missing["status"] == route.refused, (caller, missing)
    places = crawler.places(operation, route)
    own = {place: things for place, things in places.items() if route.rows == "none" or place in caller.reach}
    foreign = {place: things for place, things in places.items() if place not in own}
    for place, things in own.items():
        answer = await client.request(**request_for(operation, route, things))
        assert answer.status_code == route.status, (caller, place, answer.text)
        assert crawler.shown(answer, route) <= caller.reach, (caller, place, answer.text)
        if route.lists:
            # What is listed below this thing is listed from every place in reach, whoever owns the thing.
            assert crawler.shown(answer, route) == _with(crawler, route.lists, caller), (caller, place, answer.text)
    path = named_in_path(operation, route)
    ours = next(iter(own.values()), None)
    for place, things in foreign.items():
        wanted = [things]
        if ours is not None and len(path) > 1:
            # Below something of ours, a foreign thing is not found either.
            wanted.append({**ours, path[-1]: things[path[-1]]})
        for named in wanted:
            found = await refused(named)
            if locks == "both":
                assert found == missing, (caller, place)
            else:
                # Row-level security hides rows and refuses writes; it does not choose the words.
                assert found.get("items") == [] or 400 <= found["status"] < 500, (caller, place, found)


async def _sees_the_list(crawler: Crawler, where: Place, route: Route, caller: Caller) -> None:
    service, operation, locks = where
    client = await crawler.client(service, caller, locks)
    answer = await client.request(**request_for(operation, route, crawler.world.things["east"]))
    assert answer.status_code == route.status, (caller, answer.text)
    expected = _with(crawler, route.lists, caller) if route.lists else set()
    assert crawler.shown(answer, route) == expected, (caller, answer.text)


async def _finds_by_value(crawler: Crawler, where: Place, route: Route, caller: Caller) -> None:
    service, operation, locks = where
    client = await crawler.client(service, caller, locks)
    nothing = await client.request(**request_for(operation, route, crawler.absent))
    assert nothing.status_code == route.status
    assert not crawler.shown(nothing, route)
    for place, things in crawler.places(operation, route).items():
        answer = await client.request(**request_for(operation, route, things))
        if place in caller.reach:
            assert crawler.shown(answer, route) == {place}, (caller, answer.text)
        else:
            assert told(answer) == told(nothing), (caller, place)


async def _reads_the_log(crawler: Crawler, where: Place, route: Route, caller: Caller) -> None:
    service, operation, locks = where
    client = await crawler.client(service, caller, locks)
    answer = await client.request(**request_for(operation, route, crawler.world.things["east"]))
    assert answer.status_code == route.status, (caller, answer.text)
    assert REACH[caller.role] is Reach.ALL


def _with(crawler: Crawler, thing: str, caller: Caller) -> set[str]:
    return {place for place, things in crawler.world.things.items() if thing in things and place in caller.reach}


CHECKS: Final = {"one": _finds_one, "list": _sees_the_list, "search": _finds_by_value, "log": _reads_the_log}
