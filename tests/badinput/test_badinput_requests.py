"""Requests whose body is well but which come with a wrong token, version, cursor or state: refused, and nothing written."""

from __future__ import annotations

import pytest

from kehu_chassis.testing.tokens import TestIssuer
from kehu_contracts.access import PERMISSIONS, REACH, Permission, Reach, Role

from ..access.crawl import Crawler, request_for  # noqa: TID252  no installed package holds the world of the tests
from ..access.table import TABLE  # noqa: TID252  the same
from ..world.service import SERVICES  # noqa: TID252  the same
from .conftest import Unwritten
from .documented import check, documented

EVERY = [(service, name) for service, routes in TABLE.items() for name in routes]
VERSIONED = [(service, name) for service, name in EVERY if TABLE[service][name].etag]
BRANCH_ROLES = tuple(role for role in Role if REACH[role] is Reach.SUBTREE)
BRANCH_PERMISSIONS = frozenset[Permission]().union(*(PERMISSIONS[role] for role in BRANCH_ROLES))
OWNED = [
    (service, name)
    for service, name in EVERY
    if TABLE[service][name].rows != "none"
    and TABLE[service][name].reads == "one"
    and not name.startswith("GET")
    and TABLE[service][name].asks <= BRANCH_PERMISSIONS
]


def tokens(issuer: TestIssuer) -> dict[str, str]:
    """Tokens that are not good here, by what is wrong with them."""
    good = issuer.token(Role)
    head, _, signature = good.rpartition(".")
    return {
        "expired": issuer.token(Role, expires_in=-3600),
        "of another issuer's key": TestIssuer().token(Role),
        "of another issuer": issuer.token(Role, iss="http://elsewhere.test"),
        "for somebody else": issuer.token(Role, aud="another-bank"),
        "without a subject": issuer.token(Role, sub=None),
        "changed": f"{head}.{signature[::-1]}",
        "no token at all": "abc",
    }


@pytest.mark.parametrize("service", SERVICES)
async def test_a_token_that_is_not_good_opens_nothing(crawler: Crawler, unwritten: Unwritten, service: str) -> None:
    served = crawler.world.services[service]
    document = served.app.app.openapi()
    bad = tokens(served.app.issuer)
    async with unwritten(service) as client:
        for operation, route in TABLE[service].items():
            request = request_for(operation, route, crawler.world.things["east"])
            for what, token in bad.items():
                headers = {**request["headers"], "Authorization": f"Bearer {token}"}
                answer = await client.request(**{**request, "headers": headers})
                problem = check(answer, 401, documented(document, operation))
                assert problem["code"] == "auth.token_invalid", (operation, what)


@pytest.mark.parametrize(("service", "operation"), VERSIONED)
async def test_a_change_needs_the_version_that_was_read(
    crawler: Crawler, unwritten: Unwritten, service: str, operation: str
) -> None:
    route = TABLE[service][operation]
    request = request_for(operation, route, crawler.world.things["east"])
    answers = documented(crawler.world.services[service].app.app.openapi(), operation)
    cases: dict[str | None, tuple[int, str]] = {
        None: (428, "request.precondition_required"),
        '"999"': (412, "request.precondition_failed"),
        "*": (400, "request.malformed"),
        "three": (400, "request.malformed"),
    }
    async with unwritten(service) as client:
        for version, (status, code) in cases.items():
            headers = {} if version is None else {"If-Match": version}
            answer = await client.request(**{**request, "headers": headers})
            assert check(answer, status, answers)["code"] == code


@pytest.mark.parametrize("service", SERVICES)
async def test_every_list_refuses_a_cursor_that_it_did_not_give(
    crawler: Crawler, unwritten: Unwritten, service: str
) -> None:
    document = crawler.world.services[service].app.app.openapi()
    lists = 0
    async with unwritten(service) as client:
        for operation, route in TABLE[service].items():
            method, _, path = operation.partition(" ")
            parameters = document["paths"][path][method.lower()].get("parameters", [])
            if not any(parameter["name"] == "cursor" for parameter in parameters):
                continue
            lists += 1
            request = request_for(operation, route, crawler.world.things["east"])
            cases = [
                ({"cursor": cursor}, "request.bad_cursor", "#/cursor")
                for cursor in ("", "x", "AAAAAAAAAAAA", "bnVsbA", "中文")
            ]
            cases += [({"limit": limit}, "request.invalid", "#/limit") for limit in ("0", "201", "many", "-1")]
            cases += [({"cursor": "a\x00b"}, "request.invalid", "#")]
            for query, code, pointer in cases:
                answer = await client.request(**{**request, "params": {**request["params"], **query}})
                problem = check(answer, 422, documented(document, operation))
                assert (problem["code"], problem["errors"][0]["pointer"]) == (code, pointer), (operation, query)
                assert problem["errors"][0]["in"] == "query"
    assert lists


@pytest.mark.parametrize("service", SERVICES)
async def test_an_id_that_is_none_is_named(crawler: Crawler, unwritten: Unwritten, service: str) -> None:
    document = crawler.world.services[service].app.app.openapi()
    async with unwritten(service) as client:
        for operation, route in TABLE[service].items():
            if "_id}" not in operation:
                continue
            for wrong in ("not-an-id", "a\x00b"):
                things = dict.fromkeys(crawler.world.things["east"], wrong) | {"version": '"1"'}
                request = request_for(operation, route, crawler.world.things["east"])
                request["url"] = request_for(operation, route, things)["url"].replace("\x00", "%00")
                problem = check(await client.request(**request), 422, documented(document, operation))
                assert problem["errors"][0]["in"] == "path", operation


@pytest.mark.parametrize(("service", "operation"), OWNED)
async def test_another_branchs_rows_are_not_written(
    crawler: Crawler, unwritten: Unwritten, service: str, operation: str
) -> None:
    route = TABLE[service][operation]
    request = request_for(operation, route, crawler.world.things["west"])
    answers = documented(crawler.world.services[service].app.app.openapi(), operation)
    async with unwritten(service, *BRANCH_ROLES) as client:
        problem = check(await client.request(**request), route.refused, answers)
    assert problem["code"] == "not_found" or problem["errors"][0]["pointer"] in {"#/customer_id", "#/unit_id"}
