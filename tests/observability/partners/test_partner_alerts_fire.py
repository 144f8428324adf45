"""The alerts of live streams and webhooks fire in the state that they are about, and not before."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from prometheus_client import generate_latest

from kehu_chassis.database import Database
from kehu_gateway.streams.service import Places, TooManyStreams
from kehu_gateway.webhooks import delivery

from ..promql import Evaluator, Scrape, scrape_of  # noqa: TID252  no installed package holds the tests' evaluator

TARGET = {"job": "kehu", "service": "gateway", "process": "worker", "instance": "gateway-worker:8200"}

_ENDPOINT = """
INSERT INTO webhooks (name, url, event_types, active, secret, created_at, changed_at)
VALUES ('Partner', 'https://partner.example/', '{}', true, '', now(), now())
"""
_MESSAGE = """
INSERT INTO webhook_deliveries (webhook_id, event_id, type, subject, sequence, at, state, attempts, added_at)
SELECT webhook_id, uuidv7(), 'a', 'b', 1, now(), $1, 0, now() - interval '20 minutes' FROM webhooks
"""


async def _an_endpoint_that_takes_nothing(database: Database) -> None:
    async with database.begin() as tx:
        await tx.connection.execute(_MESSAGE, "pending")


async def _a_message_that_was_given_up(database: Database) -> None:
    async with database.begin() as tx:
        await tx.connection.execute(_MESSAGE, "dead")


async def _a_client_that_opens_streams_without_end(_: Database) -> None:
    places = Places(of_caller=1, of_process=10)
    places.take("client")
    for _attempt in range(25):
        with pytest.raises(TooManyStreams):
            places.take("client")
    places.free("client")


STATES: dict[str, Callable[[Database], Awaitable[None]]] = {
    "KehuWebhooksOld": _an_endpoint_that_takes_nothing,
    "KehuWebhooksDead": _a_message_that_was_given_up,
    "KehuStreamsRefused": _a_client_that_opens_streams_without_end,
}


@pytest.mark.parametrize("alert", list(STATES))
async def test_the_partners_alert_fires_in_its_state_and_not_before(
    alert: str, worker_database: Database, rules: dict[str, dict[str, Any]]
) -> None:
    async with worker_database.begin() as tx:
        await tx.connection.execute(_ENDPOINT)

    async def scrape(at: float) -> Scrape:
        await delivery.measure(worker_database)
        return scrape_of(at, (generate_latest().decode(), TARGET))

    before = [await scrape(at) for at in (0.0, 60.0)]
    assert Evaluator(before)(rules[alert]["expr"]) == {}
    await STATES[alert](worker_database)
    assert Evaluator([before[-1], await scrape(120.0)])(rules[alert]["expr"]) != {}
