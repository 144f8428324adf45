"""`Idempotency-Key`: a write that is sent again has one effect and one answer.

The first call inserts its claim before it does anything and stores its answer in the same transaction; a call with the
same key that comes meanwhile waits on that row and is given the answer. A refusal stores nothing, so the key is free
for another try. Claims belong to a caller and a route, and are forgotten after `idempotency_hours`.

The table never holds the key nor a readable answer: the answer is sealed under a key derived from the Idempotency-Key,
which only the caller knows, and the claim is found by the key's digest.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from fastapi import Request, Response
from pydantic_core import from_json, to_json
from sqlalchemy import (
    Column,
    DateTime,
    Index,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    and_,
    bindparam,
    delete,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from kehu_chassis.auth import Principal
from kehu_chassis.clock import technical_now
from kehu_chassis.database import Transaction
from kehu_chassis.problems import MalformedRequest, Problem

__all__ = ["HEADER", "KeyReused", "forget_expired", "idempotency_keys", "once", "tables"]

HEADER: Final[dict[str, Any]] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Makes the write happen once: sent again with the same key and body, it gets the first call's answer",
    "schema": {"type": "string", "maxLength": 255, "pattern": "^[!-~]+$"},
}
"""How the header stands in the API document."""

_KEY: Final = re.compile(r"^[\x21-\x7e]{1,255}$")
_STORED_HEADERS: Final = frozenset({b"content-type", b"etag", b"location"})


def tables(metadata: MetaData) -> tuple[Table, ...]:
    """The table of claims, in a metadata of the caller's."""
    return (
        Table(
            "idempotency_keys",
            metadata,
            Column("principal", Text, nullable=False),
            Column("route", Text, nullable=False),
            Column("key_digest", LargeBinary, nullable=False),
            Column("request_digest", LargeBinary, nullable=False),
            Column("answer", LargeBinary, comment="Sealed; null while the first call is under way."),
            Column("expires_at", DateTime(timezone=True), nullable=False),
            PrimaryKeyConstraint("principal", "route", "key_digest"),
            Index("ix_idempotency_keys_expires_at", "expires_at"),
        ),
    )


(idempotency_keys,) = tables(MetaData())
_c = idempotency_keys.c

_insert = insert(idempotency_keys).values(
    principal=bindparam("principal"),
    route=bindparam("route"),
    key_digest=bindparam("key_digest"),
    request_digest=bindparam("request_digest"),
    expires_at=bindparam("expires_at"),
)
# An expired claim is taken over as if it were not there.
_claim = _insert.on_conflict_do_update(
    index_elements=[_c.principal, _c.route, _c.key_digest],
    set_={
        "request_digest": _insert.excluded.request_digest,
        "answer": None,
        "expires_at": _insert.excluded.expires_at,
    },
    where=_c.expires_at < bindparam("now"),
).returning(_c.route)

_found = and_(
    _c.principal == bindparam("principal"), _c.route == bindparam("route"), _c.key_digest == bindparam("key_digest")
)
_recall = select(_c.request_digest, _c.answer).where(_found)
_store = (
    update(idempotency_keys)
    .where(
        _c.principal == bindparam("p_principal"),
        _c.route == bindparam("p_route"),
        _c.key_digest == bindparam("p_key_digest"),
    )
    .values(answer=bindparam("sealed"))
)
_forget = delete(idempotency_keys).where(_c.expires_at < bindparam("now"))


class KeyReused(Problem):
    """The Idempotency-Key was used for another request."""

    status = 422
    code = "idempotency.key_reused"
    title = "This Idempotency-Key was used for another request"
    title_zh = "该 Idempotency-Key 已用于其他请求"


async def once(  # noqa: PLR0913 - the parts of one request.
    tx: Transaction,
    request: Request,
    answer: Callable[[Request], Awaitable[Response]],
    *,
    key: str,
    principal: Principal,
    route: str,
) -> Response:
    """Run a write, or give the answer of the first call with this key.

    Args:
        tx: the request's transaction; the claim and the answer are rows of it.
        request: read whole.
        answer: runs the route and serialises its answer.
        key: the Idempotency-Key.
        principal: who calls.
        route: the template of the path.

    Raises:
        MalformedRequest: the key is not 1 to 255 visible ASCII characters.
        KeyReused: the key belongs to a request with another path, query or body.
    """
    if not _KEY.match(key):
        raise MalformedRequest(
            "Idempotency-Key must be 1 to 255 visible ASCII characters.",
            detail_zh="Idempotency-Key 须为 1 至 255 个可见 ASCII 字符。",
        )
    place = {
        "principal": principal.subject,
        "route": f"{request.method} {route}",
        "key_digest": sha256(key.encode()).digest(),
    }
    request_digest = await _digest(request)
    now = technical_now()
    hours = request.app.state.runtime.settings.idempotency_hours
    claim = {**place, "request_digest": request_digest, "now": now, "expires_at": now + timedelta(hours=hours)}
    if await tx.first(_claim, claim) is None:
        first = await tx.one(_recall, place)
        if first["request_digest"] != request_digest:
            raise KeyReused
        return _unseal(first["answer"], key)
    response = await answer(request)
    await tx.execute(_store, {**{f"p_{name}": value for name, value in place.items()}, "sealed": _seal(response, key)})
    return response


async def forget_expired(tx: Transaction) -> int:
    """Delete claims that have expired; the worker does this now and then."""
    return await tx.execute(_forget, {"now": technical_now()})


async def _digest(request: Request) -> bytes:
    digest = sha256(request.scope["path"].encode())
    digest.update(b"\0" + request.scope["query_string"] + b"\0")
    digest.update(await request.body())
    return digest.digest()


def _cipher(key: str) -> AESGCM:
    return AESGCM(sha256(b"kehu idempotent answer\0" + key.encode()).digest())


def _seal(response: Response, key: str) -> bytes:
    # One key seals one answer for each claim; the nonce is derived from what is sealed, so a claim that was taken over
    # after its expiry never repeats a nonce with another text.
    headers = [(name.decode(), value.decode()) for name, value in response.raw_headers if name in _STORED_HEADERS]
    plain = to_json({"status": response.status_code, "headers": headers}) + b"\n" + bytes(response.body)
    nonce = sha256(plain).digest()[:12]
    return nonce + _cipher(key).encrypt(nonce, plain, None)


def _unseal(sealed: bytes, key: str) -> Response:
    head, _, body = _cipher(key).decrypt(sealed[:12], sealed[12:], None).partition(b"\n")
    told: dict[str, Any] = from_json(head)
    return Response(body, status_code=told["status"], headers={**dict(told["headers"]), "Idempotency-Replayed": "true"})
