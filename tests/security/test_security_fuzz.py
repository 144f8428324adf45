"""Thousands of calls that the API document makes up: no error of ours, and no answer that the document does not know."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import pytest

from kehu_contracts.access import Role

from .fuzz import Fuzzer, Tally

if TYPE_CHECKING:
    from ..world.bank import World  # noqa: TID252  no installed package holds the world of the tests
    from .conftest import Gateway

CALLS: Final = int(os.environ.get("KEHU_TEST_FUZZ", "400"))
"""In all services together, about, and some for the gateway; `make fuzz` makes 2,000, `make fuzz N=20000` more."""
NUMBER: Final = int(os.environ.get("KEHU_TEST_FUZZ_SEED", "1"))
SERVICES: Final = ("customer", "segmentation", "complaints", "campaigns")


@pytest.mark.fuzz
@pytest.mark.parametrize("service", SERVICES)
async def test_every_answer_stands_in_the_document(world: World, service: str) -> None:
    # Imported here: what is below asks for a world, which most tests of this folder need not.
    from ..access.table import TABLE  # noqa: PLC0415, TID252  the same
    from ..world.bank import staff_of  # noqa: PLC0415, TID252  the same

    served = world.services[service]
    client = await served.rehearsed.client(*Role, staff_id=staff_of("east"), subject="fuzzer")
    east = world.things["east"]
    things = {
        operation: {
            name: east[route.path.get(name, name.removesuffix("_id"))]
            for name in _names(operation)
            if route.path.get(name, name.removesuffix("_id")) in east
        }
        for operation, route in TABLE[service].items()
    }
    fuzzer = Fuzzer(served.app.app.openapi(), things, NUMBER)
    every = sum(len(routes) for routes in TABLE.values())
    tally = Tally()
    for operation in fuzzer.operations():
        for case in fuzzer.cases(operation, max(2, round(CALLS / every))):
            await fuzzer.call(client, case, tally)
    assert not tally.failures, f"with seed {NUMBER}:\n" + "\n".join(tally.failures.values())
    assert tally.calls >= 0.7 * CALLS * len(TABLE[service]) / every
    # Calls that are all refused would show nothing.
    assert tally.succeeded > tally.calls / 10


@pytest.mark.fuzz
async def test_every_answer_of_the_gateway_itself_stands_in_the_document(gateway: Gateway) -> None:
    async with gateway.client(await gateway.token("operator")) as operator:
        document = (await operator.get("/openapi.json")).json()
        # A live stream has no end.
        del document["paths"]["/api/v1/events"]
        hook = {
            "name": "Partner",
            "url": "https://partner.example/events",
            "event_types": ["kehu.complaint.state_changed"],
        }
        webhook = (await operator.post("/api/v1/webhooks", json=hook)).json()["webhook_id"]
        routes = [f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item]
        fuzzer = Fuzzer(document, {route: {"webhook_id": webhook} for route in routes if "webhook_id" in route}, NUMBER)
        tally = Tally()
        # What takes the webhook away comes last: without it most of the others can only be refused.
        for operation in sorted(fuzzer.operations(), key=lambda each: each.method.upper() == "DELETE"):
            for case in fuzzer.cases(operation, max(2, CALLS // 100)):
                await fuzzer.call(operator, case, tally)
    assert not tally.failures, f"with seed {NUMBER}:\n" + "\n".join(tally.failures.values())
    assert tally.succeeded > tally.calls / 30


def _names(operation: str) -> list[str]:
    return [part[1:-1] for part in operation.split("/") if part.startswith("{")]
