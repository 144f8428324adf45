"""The peer of the HTTP benchmarks: one file of FastAPI and asyncpg, as a good programmer would write it without a house.

It verifies the token once and remembers it, begins a transaction in the caller's scope, sends PostgreSQL the very statements
that the customer service sends (recorded from it), answers through a response model, commits before the answer leaves, writes
an access line and counts. It neither seals nor opens personal data, checks no permission and shapes no problem.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import asyncpg
import httpx
import jwt
import structlog
import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException, Request
from prometheus_client import Counter, Histogram
from pydantic import BaseModel
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils.compat import uuid7

REQUESTS = Counter("requests", "Requests", ["route", "method", "status"])
SECONDS = Histogram("seconds", "Seconds", ["route"])
RECORDED = pickle.loads(Path(os.environ["PEER_STATEMENTS"]).read_bytes())  # noqa: S301  written by this benchmark
log = structlog.wrap_logger(
    structlog.BytesLogger(sys.stdout.buffer),
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.JSONRenderer(serializer=lambda event, **_: json.dumps(event).encode()),
    ],
)
remembered: dict[str, tuple[dict[str, Any], float]] = {}


class ContactIn(BaseModel):
    """A contact point."""

    type: str
    value: str


class CustomerIn(BaseModel):
    """A new customer."""

    kind: str
    name: str
    customer_since: date
    contact_points: list[ContactIn]


class CustomerOut(BaseModel):
    """A customer."""

    id: UUID
    customer_number: str
    kind: str
    status: str
    name: str
    gender: str
    birth_year: int | None
    unit_id: UUID | None
    primary_rm_id: UUID | None
    survivor_id: UUID
    customer_since: date
    version: int
    nationality: str | None
    industry: str | None
    occupation: str | None
    language: str
    created_at: datetime
    updated_at: datetime


class Access:
    """Access line and counters."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and note how it went."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        await self.app(scope, receive, noted)
        seconds = time.perf_counter() - started
        found = scope.get("route")
        route = found.path if found is not None else "none"
        REQUESTS.labels(route, scope["method"], status).inc()
        SECONDS.labels(route).observe(seconds)
        log.info("http.request", method=scope["method"], route=route, status=status, ms=round(seconds * 1000, 2))


async def _keep(_: Any) -> None:
    """Everything set on a connection is local to a transaction."""


async def _codec(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open the pool and fetch the issuer's key."""
    async with httpx.AsyncClient() as client:
        keys = (await client.get(os.environ["PEER_JWKS"])).json()
    app.state.key = jwt.PyJWK(keys["keys"][0])
    app.state.pool = await asyncpg.create_pool(
        os.environ["PEER_DSN"],
        min_size=1,
        max_size=10,
        init=_codec,
        reset=_keep,
        server_settings={"search_path": "customer, public"},
    )
    yield
    await app.state.pool.close()


app = FastAPI(lifespan=lifespan, telemetry={"tracing": False, "metrics": False, "logs": False})
app.add_middleware(Access)


async def principal(authorization: Annotated[str, Header()]) -> dict[str, Any]:
    """Verify the token, once."""
    token = authorization.removeprefix("Bearer ")
    known = remembered.get(token)
    if known is not None and known[1] > time.time():
        return known[0]
    claims: dict[str, Any] = jwt.decode(
        token, app.state.key, algorithms=["EdDSA"], audience="kehu", issuer=os.environ["PEER_ISSUER"]
    )
    remembered[token] = claims, claims["exp"]
    return claims


async def transaction(
    request: Request, _: Annotated[dict[str, Any], Depends(principal)]
) -> AsyncIterator[asyncpg.Connection]:
    """One transaction in the caller's scope, committed before the answer leaves."""
    recorded = RECORDED["read" if request.method == "GET" else "write"]
    async with app.state.pool.acquire() as connection:
        await connection.execute(recorded.statements[0][1])
        try:
            yield connection
        except BaseException:
            await connection.execute("ROLLBACK")
            raise
        await connection.execute("COMMIT")


Tx = Annotated[asyncpg.Connection, Depends(transaction, scope="function")]


@app.get("/api/v1/customers/{customer_id}", response_model=CustomerOut)
async def read(customer_id: UUID, tx: Tx) -> dict[str, Any]:
    """One customer; the name is not opened."""
    method, sql, _ = RECORDED["read"].statements[1]
    found = await getattr(tx, method)(sql, customer_id)
    if not found:
        raise HTTPException(404)
    row = found[0] if isinstance(found, list) else found
    return {**row, "name": RECORDED["read"].answer["name"]}


def _anew(value: Any, ids: dict[UUID, UUID], key: bytes) -> Any:
    """The recorded argument with ids and digests of its own."""
    match value:
        case UUID():
            return ids.setdefault(value, uuid7())
        case list():
            return [_anew(item, ids, key) for item in value]
        case bytes() if len(value) == 32:
            return key
        case str() if len(value) == 36 and value.count("-") == 4:
            return str(ids.setdefault(UUID(value), uuid7()))
    return value


@app.post("/api/v1/customers", response_model=CustomerOut, status_code=201)
async def register(body: CustomerIn, tx: Tx, idempotency_key: Annotated[str, Header(max_length=64)]) -> dict[str, Any]:
    """The same inserts: claim, scope, customer, names, contacts, ownership, audit, outbox, stored answer."""
    ids: dict[UUID, UUID] = {}
    key = idempotency_key.encode().ljust(32, b"-")[:32]
    recorded = RECORDED["write"]
    for method, sql, arguments in recorded.statements[1:]:
        if sql != "COMMIT":
            await getattr(tx, method)(sql, *(_anew(argument, ids, key) for argument in arguments))
    return {**recorded.answer, "kind": body.kind, "id": ids[UUID(recorded.answer["id"])]}


if __name__ == "__main__":
    uvicorn.run(
        app,
        port=int(os.environ["PEER_PORT"]),
        loop="uvloop",
        http="httptools",
        ws="none",
        access_log=False,
        log_level="warning",
    )
