"""The peer of the HTTP benchmarks: one file of FastAPI and asyncpg, as a good programmer would write it without a house.

It verifies the token once and remembers it, begins a transaction in the caller's scope, sends PostgreSQL the very statements
that the service sends (recorded from it), takes bodies and gives answers through the service's own models, reads the query
parameters that the service's lists have, commits before the answer leaves, writes an access line and counts. It neither seals nor opens personal data, checks no permission, decides
nothing and shapes no problem; so the ratio is the price of all of that.
"""

from __future__ import annotations

import inspect
import json
import os
import pickle
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import asyncpg
import httpx
import jwt
import structlog
import uvicorn
from asyncpg.pgproto.pgproto import UUID as DriverUUID  # noqa: N811  a subclass of the standard one
from fastapi import Depends, FastAPI, Header, Request
from fastapi.dependencies.utils import get_dependant
from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bench.statements import Recording
from bench.values import anew
from kehu_chassis.paging import Page

REQUESTS = Counter("requests", "Requests", ["route", "method", "status"])
SECONDS = Histogram("seconds", "Seconds", ["route"])
log = structlog.wrap_logger(
    structlog.BytesLogger(sys.stdout.buffer),
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.JSONRenderer(serializer=lambda event, **_: json.dumps(event).encode()),
    ],
)
remembered: dict[str, tuple[dict[str, Any], float]] = {}


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
        server_settings={"search_path": f"{os.environ['PEER_SCHEMA']}, public"},
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


def transaction(opening: str) -> Callable[..., AsyncIterator[asyncpg.Connection]]:
    """One transaction in the caller's scope, committed before the answer leaves."""

    async def begun(_: Annotated[dict[str, Any], Depends(principal)]) -> AsyncIterator[asyncpg.Connection]:
        async with app.state.pool.acquire() as connection:
            await connection.execute(opening)
            try:
                yield connection
            except BaseException:
                await connection.execute("ROLLBACK")
                raise
            await connection.execute("COMMIT")

    return begun


def reading(recorded: Recording, answer: Any) -> Any:
    """The route of a read: the same statements, the answer through the response model; the query it is asked by was read."""
    said = recorded.statements[1:]

    async def read(request: Request, tx: asyncpg.Connection, **query: Any) -> Any:
        del request, query
        for statement in said:
            rows = await getattr(tx, statement.method)(statement.sql, *statement.arguments)
            if statement.method == "fetch":
                # Rows are no mappings until somebody makes them so, and FastAPI takes mappings.
                rows = [dict(row) for row in rows]
        return answer

    return read


def writing(recorded: Recording, answer: Any) -> Any:
    """The route of a write: the same statements with ids, digests and numbers of its own."""
    said = recorded.statements[1:]

    async def write(body: Any, tx: asyncpg.Connection, idempotency_key: str) -> Any:
        del body, idempotency_key
        made: dict[UUID, UUID] = {}
        for statement in said:
            arguments = (anew(*pair, made) for pair in zip(statement.arguments, statement.twin, strict=True))
            await getattr(tx, statement.method)(statement.sql, *arguments)
        return answer

    return write


def model_of(name: str) -> Any:
    """A model of the service by `module:name`; `[]` at the end makes it a page of them."""
    module, _, attribute = name.removesuffix("[]").partition(":")
    model = getattr(import_module(module), attribute)
    return Page.__class_getitem__(model) if name.endswith("[]") else model


def as_rows_come(value: Any) -> Any:
    """The same with ids as the driver makes them."""
    match value:
        case dict():
            return {name: as_rows_come(item) for name, item in value.items()}
        case list():
            return [as_rows_come(item) for item in value]
        case UUID():
            return DriverUUID(value.bytes)
    return value


def query_of(endpoint: str, template: str) -> list[inspect.Parameter]:
    """The query parameters of the service's own function, with all that they ask of a value."""
    module, _, name = endpoint.partition(":")
    own = get_dependant(path=template, call=getattr(import_module(module), name))
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.field_info,
            annotation=field.field_info.annotation,
        )
        for found in (own, *own.dependencies)
        for field in found.query_params
    ]


def serve(recordings: list[Recording]) -> None:
    """A route for each recording."""
    for recorded in recordings:
        answer_model = model_of(recorded.answer_model)
        # As rows come: ids, dates and numbers, not their texts.
        answer = as_rows_come(answer_model.model_validate(recorded.answer).model_dump())
        tx = Annotated[asyncpg.Connection, Depends(transaction(recorded.statements[0].sql), scope="function")]
        route = (writing if recorded.body_model else reading)(recorded, answer)
        if recorded.body_model:
            route.__annotations__ |= {
                "body": model_of(recorded.body_model),
                "tx": tx,
                "idempotency_key": Annotated[str, Header(max_length=255)],
            }
        else:
            own = [
                inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=kind)
                for name, kind in (("request", Request), ("tx", tx))
            ]
            query = query_of(recorded.endpoint, recorded.template) if recorded.endpoint else []
            route.__signature__ = inspect.Signature([*own, *query])
        app.add_api_route(
            recorded.template,
            route,
            methods=[recorded.method],
            response_model=answer_model,
            status_code=recorded.status,
        )


if __name__ == "__main__":
    serve(pickle.loads(Path(os.environ["PEER_RECORDINGS"]).read_bytes()))  # noqa: S301  written by this benchmark
    uvicorn.run(
        app,
        port=int(os.environ["PEER_PORT"]),
        loop="uvloop",
        http="httptools",
        ws="none",
        access_log=False,
        log_level="warning",
    )
