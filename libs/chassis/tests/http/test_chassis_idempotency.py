"""Idempotency-Key: however often and however much at once a write is sent, it has one effect and one answer."""

from __future__ import annotations

import asyncio

import httpx
import time_machine

from kehu_chassis.database import Database
from kehu_chassis.idempotency import forget_expired
from kehu_chassis.testing.http import TestApp
from kehu_contracts.access import Role

KEY = {"Idempotency-Key": "0190c9a2-key"}


async def count(database: Database, table: str) -> int:
    async with database.begin() as tx:
        return int(await tx.connection.fetchval(f"SELECT count(*) FROM {table}"))  # noqa: S608 - our own names.


async def sealed_answer(database: Database) -> bytes:
    """The one answer that is kept: its nonce, then what is sealed."""
    async with database.begin() as tx:
        [row] = await tx.connection.fetch("SELECT answer FROM idempotency_keys")
    answer: bytes = row["answer"]
    return answer


async def test_a_hundred_at_once_have_one_effect_and_one_answer(probe: TestApp, database: Database) -> None:
    client = await probe.client(Role.SYSTEM)

    async def send() -> httpx.Response:
        return await client.post("/api/v1/notes", json={"text": "once"}, headers=KEY)

    responses = await asyncio.gather(*(send() for _ in range(100)))
    assert {response.status_code for response in responses} == {201}
    assert len({response.content for response in responses}) == 1
    assert len({response.headers["location"] for response in responses}) == 1
    assert {response.headers["etag"] for response in responses} == {'"1"'}
    assert [response.headers.get("idempotency-replayed") for response in responses].count(None) == 1
    assert await count(database, "notes") == await count(database, "audit") == 1


async def test_another_body_with_the_same_key_is_refused(probe: TestApp, database: Database) -> None:
    client = await probe.client(Role.SYSTEM)
    await client.post("/api/v1/notes", json={"text": "one"}, headers=KEY)
    response = await client.post("/api/v1/notes", json={"text": "two"}, headers=KEY)
    assert (response.status_code, response.json()["code"]) == (422, "idempotency.key_reused")
    assert await count(database, "notes") == 1


async def test_a_key_belongs_to_the_thing_that_it_was_used_for(probe: TestApp, database: Database) -> None:
    client = await probe.client(Role.SYSTEM)
    one, two = [(await client.post("/api/v1/notes", json={"text": "a"})).headers["location"] for _ in range(2)]
    change = {**KEY, "If-Match": '"1"'}
    assert (await client.put(one, json={"text": "b"}, headers=change)).status_code == 200
    response = await client.put(two, json={"text": "b"}, headers=change)
    assert (response.status_code, response.json()["code"]) == (422, "idempotency.key_reused")
    async with database.begin() as tx:
        texts = await tx.connection.fetch("SELECT text FROM notes ORDER BY text")
    assert [row["text"] for row in texts] == ["a", "b"]


async def test_a_key_belongs_to_its_caller_and_route(probe: TestApp, database: Database) -> None:
    for subject in ("one", "two"):
        client = await probe.client(Role.SYSTEM, subject=subject)
        response = await client.post("/api/v1/notes", json={"text": "same"}, headers=KEY)
        assert response.status_code == 201
    assert await count(database, "notes") == 2
    change = {**KEY, "If-Match": '"1"'}
    changed = await client.put(response.headers["location"], json={"text": "same"}, headers=change)
    assert changed.status_code == 200


async def test_a_refused_write_leaves_the_key_free(probe: TestApp, database: Database) -> None:
    client = await probe.client(Role.SYSTEM)
    assert (await client.post("/api/v1/notes", json={"text": "taken"}, headers=KEY)).status_code == 409
    assert (await client.post("/api/v1/notes", json={"text": "stray", "x": 1}, headers=KEY)).status_code == 422
    assert await count(database, "idempotency_keys") == 0
    assert (await client.post("/api/v1/notes", json={"text": "free"}, headers=KEY)).status_code == 201


async def test_a_key_that_is_no_key_is_refused(probe: TestApp, database: Database) -> None:
    client = await probe.client(Role.SYSTEM)
    for key in ("", "a b", "x" * 256):
        response = await client.post("/api/v1/notes", json={"text": "a"}, headers={"Idempotency-Key": key})
        assert (response.status_code, response.json()["code"]) == (400, "request.malformed")
    assert await count(database, "notes") == 0


async def test_neither_key_nor_answer_can_be_read_in_the_table(probe: TestApp, database: Database) -> None:
    client = await probe.client(Role.SYSTEM)
    await client.post("/api/v1/notes", json={"text": "confidential"}, headers=KEY)
    async with database.begin() as tx:
        row = await tx.connection.fetchrow("SELECT * FROM idempotency_keys")
    stored = b"".join(value for value in row.values() if isinstance(value, bytes))
    assert b"confidential" not in stored
    assert KEY["Idempotency-Key"].encode() not in stored


async def test_a_key_is_forgotten_when_its_time_is_over(probe: TestApp, database: Database) -> None:
    client = await probe.client(Role.SYSTEM)
    await client.post("/api/v1/notes", json={"text": "one"}, headers=KEY)
    first = await sealed_answer(database)
    async with database.begin() as tx:
        assert await forget_expired(tx) == 0
    with time_machine.travel("2100-01-01", tick=False):
        later = await probe.client(Role.SYSTEM)
        response = await later.post("/api/v1/notes", json={"text": "two"}, headers=KEY)
        assert (response.status_code, response.json()["text"]) == (201, "two")
    # Sealed under the same key, so never with the same nonce.
    assert (await sealed_answer(database))[:12] != first[:12]
    with time_machine.travel("2101-01-01", tick=False):
        async with database.begin() as tx:
            assert await forget_expired(tx) == 1
    assert await count(database, "idempotency_keys") == 0


async def test_the_api_document_tells_which_writes_take_a_key(probe: TestApp) -> None:
    document = probe.app.openapi()
    described = {
        (path, method)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if any(parameter["name"] == "Idempotency-Key" for parameter in operation.get("parameters", []))
    }
    assert ("/api/v1/notes", "post") in described
    assert all(method != "get" for _, method in described)
