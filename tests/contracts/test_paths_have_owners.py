"""The gateway's table of owners and the services' own routes agree, so that no route is out of reach."""

from __future__ import annotations

import pytest

from kehu_gateway.proxy.rules import SERVICES, owner_of
from kehu_local.openapi import describe


@pytest.fixture(scope="module")
def paths() -> dict[str, str]:
    """Every path of the suite and the service that declares it."""
    return {
        path: next(iter(item.values()))["x-service"]
        for path, item in describe()["paths"].items()
        if path.startswith("/api/v1/")
    }


def test_every_route_of_a_service_is_reached_through_the_gateway(paths: dict[str, str]) -> None:
    of_services = {path: service for path, service in paths.items() if service != "gateway"}
    assert set(of_services.values()) == set(SERVICES)
    assert {path: owner_of(path.replace("{", "").replace("}", "")) for path in of_services} == of_services


def test_the_gateways_own_routes_stand_in_no_services_way(paths: dict[str, str]) -> None:
    own = {path for path, service in paths.items() if service == "gateway"}
    assert {"/api/v1/customers/{customer_id}/overview", "/api/v1/operations"} <= own
