"""Routes: one request is one transaction, committed before the answer leaves.

    routes = router("/complaints", tags=["complaints"])
    Handler = Annotated[Principal, requires(Permission.COMPLAINT_WRITE)]

    @routes.post("/{complaint_id}/decisions", response_model=ComplaintOut, responses=problems(404, TransitionRefused))
    async def decide_complaint(complaint_id: UUID, body: DecisionIn, actor: Handler, tx: Tx, now: Now) -> Record:
        '''Decide a complaint; the customer has still to be told.'''
        return await service.decide_complaint(tx, complaint_id, body, actor=actor, now=now)

The order for each request: token, permission, names of the query's parameters, body read whole, transaction begun in the caller's scope (read-only for
GET, unless the route declares `WritingTx`), parameters validated, route run, answer serialised, transaction committed,
answer sent. Whatever raises before the commit, or in it, rolls back and becomes a problem. A route that declares no `tx`
costs no transaction.

A write with `Idempotency-Key` is done once for each caller, route and key; see `idempotency`.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Final, cast, get_args, get_origin

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.types import Message

from kehu_chassis import idempotency
from kehu_chassis.auth import Principal
from kehu_chassis.database import Transaction
from kehu_chassis.definition import Runtime
from kehu_chassis.paging import page_query
from kehu_chassis.problems import (
    BodyTooLarge,
    Forbidden,
    MalformedRequest,
    PreconditionFailed,
    PreconditionRequired,
    RequestTimedOut,
    Unauthenticated,
    UnsupportedMediaType,
    ValidationProblem,
    problems,
)
from kehu_chassis.scope import Scope
from kehu_chassis.settings import ServiceSettings
from kehu_contracts.access import Permission, Reach

__all__ = [
    "PUBLIC",
    "CurrentPrincipal",
    "IfMatch",
    "KehuRoute",
    "Now",
    "Requirement",
    "Tx",
    "WritingTx",
    "bearer_token",
    "check_version",
    "etag",
    "limited_body",
    "requires",
    "resources",
    "router",
    "runtime_of",
]

PUBLIC: Final[dict[str, Any]] = {"x-permission": "public", "security": []}
"""`openapi_extra` of the few routes that anyone may call, such as a log-in page."""

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_PRINCIPAL: Final = "kehu.principal"
_TRANSACTION: Final = "kehu.transaction"
_ENCODED_CONTROL: Final = re.compile(
    rb"%(?:0[0-8bcef]|1[0-9a-f]|7f|c2%[89][0-9a-f]|e2%80%a[89])|[\x80-\x9f]", re.IGNORECASE
)
"""What `columns` refuses in a text, as it stands in a query: encoded, or as a byte that nobody has encoded."""
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_ETAG: Final = re.compile(r'^(?:W/)?"(\d{1,18})"$')


def runtime_of(request: Request) -> Runtime:
    """What the process holds: settings, database, clock, resources."""
    return cast("Runtime", request.app.state.runtime)


def bearer_token(request: Request) -> str:
    """The token of the Authorization header.

    Raises:
        Unauthenticated: there is none.
    """
    for name, value in request.scope["headers"]:
        if name == b"authorization":
            scheme, _, token = value.partition(b" ")
            if scheme.lower() == b"bearer" and token:
                return cast("str", token.decode("latin-1").strip())
            break
    raise Unauthenticated(
        "Send Authorization: Bearer <token>.",
        detail_zh="请在 Authorization 请求头中携带 Bearer 令牌。",
        headers={"WWW-Authenticate": 'Bearer realm="kehu"'},
    )


async def current_principal(request: Request) -> Principal:
    """Who calls; verified once for each request."""
    known: Principal | None = request.scope.get(_PRINCIPAL)
    if known is None:
        token = bearer_token(request)
        verifier = runtime_of(request).verifier
        known = verifier.recall(token) or await verifier.verify(token)
        request.scope[_PRINCIPAL] = known
    return known


class Requirement:
    """Dependency that gives the principal when he has all of the permissions."""

    def __init__(self, permissions: Sequence[Permission]) -> None:
        self.permissions = frozenset(permissions)

    async def __call__(self, request: Request) -> Principal:
        """Check the caller's permissions.

        Raises:
            Forbidden: one is missing.
        """
        principal = await current_principal(request)
        if not self.permissions <= principal.permissions:
            missing = ", ".join(sorted(self.permissions - principal.permissions))
            raise Forbidden(f"This needs {missing}.", detail_zh=f"需要权限：{missing}。")
        return principal


def requires(*permissions: Permission) -> Any:
    """Ask for permissions (none: any valid token) and show them in the API document as `x-permission`."""
    return Depends(Requirement(permissions))


async def transaction_of(request: Request) -> Transaction:
    """The transaction that the route began."""
    return cast("Transaction", request.scope[_TRANSACTION])


async def writing_transaction_of(request: Request) -> Transaction:
    """The transaction that the route began, which may write whatever the method is."""
    return await transaction_of(request)


async def business_now(request: Request) -> datetime:
    """Business time: the suite's clock."""
    return runtime_of(request).clock.now()


async def resources(request: Request) -> Any:
    """What the service's `resources` hook gave: `Keys = Annotated[MyResources, Depends(resources)]`."""
    return runtime_of(request).resources


CurrentPrincipal = Annotated[Principal, Depends(current_principal)]
"""Who calls, whatever he may do; routes declare `requires()` instead."""
Tx = Annotated[Transaction, Depends(transaction_of)]
"""The request's transaction; `KehuRoute` commits it before the answer leaves."""
WritingTx = Annotated[Transaction, Depends(writing_transaction_of)]
"""The same for a GET that has to leave a row of its own, such as who read the audit."""
_TRANSACTIONS: Final = frozenset({transaction_of, writing_transaction_of})
Now = Annotated[datetime, Depends(business_now)]
"""The moment of the request in business time, UTC."""


def etag(version: int) -> str:
    """The ETag of a row's version."""
    return f'"{version}"'


async def if_match(
    if_match: Annotated[str | None, Header(description='The ETag that the caller read, e.g. "3"')] = None,
) -> int:
    """The version that the caller saw.

    Raises:
        PreconditionRequired: the header is missing.
        MalformedRequest: it is not an ETag of ours.
    """
    if if_match is None:
        raise PreconditionRequired("Send If-Match with the ETag that you read.", detail_zh="请携带读取时的 ETag。")
    found = _ETAG.match(if_match.strip())
    if found is None:
        raise MalformedRequest('If-Match must be one ETag, such as "3".', detail_zh="If-Match 须为单个 ETag。")
    return int(found[1])


IfMatch = Annotated[int, Depends(if_match)]
"""The version in `If-Match`; hand it to `check_version` after the row is locked."""


def check_version(current: int, expected: int) -> None:
    """Refuse a change by someone who saw an older version.

    Raises:
        PreconditionFailed: the versions differ.
    """
    if current != expected:
        raise PreconditionFailed(headers={"ETag": etag(current)})


class KehuRoute(APIRoute):
    """A route with token, transaction and idempotency as this module tells."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        dependant = get_dependant(path=path, call=endpoint)
        requirements = list(_requirements(dependant))
        extra = dict(options.get("openapi_extra") or {})
        if requirements:
            named = sorted({permission.value for found in requirements for permission in found.permissions})
            extra["x-permission"] = " ".join(named) or "authenticated"
            extra["security"] = [{"bearer": []}]
        if requirements and _takes_key(dependant, options.get("methods")):
            extra["parameters"] = [*extra.get("parameters", ()), idempotency.HEADER]
        options["openapi_extra"] = extra
        writes = not set(options.get("methods") or {"GET"}) <= _SAFE
        options["responses"] = {**_common_problems(dependant, writes=writes), **(options.get("responses") or {})}
        self._requirements = tuple(requirements)
        called = {found.call for found in _flat(dependant)}
        self._needs_transaction = not _TRANSACTIONS.isdisjoint(called)
        self._read_only = not writes and writing_transaction_of not in called
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler (parse, run, serialise) in token check, transaction and idempotency."""
        taken = _query_parameters(self.dependant)
        _fill_own_parameters(self.dependant)
        answer = super().get_route_handler()
        requirements = self._requirements
        needs_transaction = self._needs_transaction
        read_only = self._read_only
        writes = not (self.methods or set()) <= _SAFE

        async def handle(request: Request) -> Response:
            for requirement in requirements:
                await requirement(request)
            _refuse_control_characters(request)
            if requirements and request.scope["query_string"]:
                _refuse_other_parameters(request, taken)
            if writes:
                request = await self._read_body(request)
            if not needs_transaction:
                return await answer(request)
            principal: Principal | None = request.scope.get(_PRINCIPAL)
            scope = Scope(Reach.NONE) if principal is None else principal.scope
            async with runtime_of(request).database.begin(scope=scope, read_only=read_only) as tx:
                request.scope[_TRANSACTION] = tx
                if writes and principal is not None and (key := request.headers.get("idempotency-key")) is not None:
                    return await idempotency.once(tx, request, answer, key=key, principal=principal, route=self.path)
                return await answer(request)

        return handle

    async def _read_body(self, request: Request) -> Request:
        # Read whole before the transaction begins: a slow sender must not hold a connection of the pool.
        limited = _limited(request, runtime_of(request).settings)
        if await limited.body() and self.body_field is not None:
            _refuse_encoding(request)
            media_type = limited.headers.get("content-type", "").partition(";")[0].strip().lower()
            if media_type != "application/json" and not media_type.endswith("+json"):
                raise UnsupportedMediaType
        return limited


async def limited_body(request: Request) -> bytes:
    """The whole body of a request, for routes that are none of ours.

    Raises:
        BodyTooLarge: it has more bytes than the settings allow; the rest is not read.
        RequestTimedOut: it did not arrive in time.
        UnsupportedMediaType: it is compressed. What it would become is not known before it is there.
    """
    body = await _limited(request, runtime_of(request).settings).body()
    if body:
        _refuse_encoding(request)
    return body


def _refuse_encoding(request: Request) -> None:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"", "identity"}:
        raise UnsupportedMediaType(
            "Send the body without Content-Encoding.",
            detail_zh="请求内容不得压缩。",
            headers={"Accept-Encoding": "identity"},
        )


def _fill_own_parameters(dependant: Dependant) -> None:
    # FastAPI resolves each dependency as if it had parameters of its own, which is a tenth of a simple request for each.
    # Ours need the request and a page's query alone, so the route reads that query with its own and its function is given
    # them directly; all others stay as they are.
    own: list[tuple[str, Callable[..., Awaitable[Any]], tuple[str, ...]]] = []
    query, others = [*dependant.query_params], []
    for found in dependant.dependencies:
        if found.name and found.call and _is_own(found.call):
            own.append((found.name, found.call, tuple(field.name for field in found.query_params)))
            query += found.query_params
        else:
            others.append(found)
    function = dependant.call
    if not own or function is None or not inspect.iscoroutinefunction(function):
        return
    endpoint: Callable[..., Awaitable[Any]] = function
    dependant.query_params, dependant.dependencies = query, others
    wanted = dependant.request_param_name
    name = dependant.request_param_name = wanted or "request_of_route"

    async def run(**values: Any) -> Any:
        request = values[name] if wanted else values.pop(name)
        for parameter, provide, taken in own:
            values[parameter] = await provide(request, **{field: values.pop(field) for field in taken})
        return await endpoint(**values)

    dependant.call = run


def _is_own(call: Any) -> bool:
    return isinstance(call, Requirement) or call in {
        *_TRANSACTIONS,
        business_now,
        resources,
        current_principal,
        page_query,
    }


def _limited(request: Request, settings: ServiceSettings) -> Request:
    limit = settings.max_body_bytes
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > limit:
        raise _too_large(limit)
    taken = 0
    deadline = asyncio.get_running_loop().time() + settings.body_timeout

    async def receive() -> Message:
        nonlocal taken
        try:
            async with asyncio.timeout_at(deadline):
                message = await request.receive()
        except TimeoutError:
            raise RequestTimedOut(headers={"Connection": "close"}) from None
        taken += len(message.get("body", b""))
        if taken > limit:
            raise _too_large(limit)
        return message

    return Request(request.scope, receive)


def _too_large(limit: int) -> BodyTooLarge:
    # The rest of the body will not be read, so the connection cannot be used again.
    return BodyTooLarge(
        f"At most {limit} bytes are taken.", detail_zh=f"最多接受 {limit} 字节。", headers={"Connection": "close"}
    )


def _common_problems(dependant: Dependant, *, writes: bool) -> dict[int | str, dict[str, Any]]:
    called = {found.call for found in _flat(dependant)}
    statuses = [400, 422]
    if any(isinstance(call, Requirement) for call in called):
        statuses += [401, 403]
    if writes:
        statuses += [408, 413]
    if dependant.body_params:
        statuses += [415]
    if if_match in called:
        statuses += [412, 428]
    if not _TRANSACTIONS.isdisjoint(called):
        statuses += [503]
    return problems(*statuses)


def _takes_key(dependant: Dependant, methods: Collection[str] | None) -> bool:
    writes = not set(methods or {"GET"}) <= _SAFE
    return writes and any(found.call in _TRANSACTIONS for found in _flat(dependant))


def _flat(dependant: Dependant) -> Iterator[Dependant]:
    for found in dependant.dependencies:
        yield found
        yield from _flat(found)


def _requirements(dependant: Dependant) -> Iterator[Requirement]:
    return (found.call for found in _flat(dependant) if isinstance(found.call, Requirement))


def _refuse_control_characters(request: Request) -> None:
    query: bytes = request.scope["query_string"]
    in_query = bool(query) and _ENCODED_CONTROL.search(query) is not None
    if in_query or _CONTROL.search(request.scope["path"]):
        raise ValidationProblem(
            errors=[
                {
                    "pointer": "",
                    "where": "query" if in_query else "path",
                    "code": "control_character",
                    "detail": "Control characters are not allowed",
                    "detail_zh": "不允许使用控制字符",
                }
            ]
        )


def _query_parameters(dependant: Dependant) -> dict[str, bool]:
    """The names that a route takes in its query, each with whether it may stand there more than once."""
    fields = [*dependant.query_params, *(field for found in _flat(dependant) for field in found.query_params)]
    return {field.alias: _takes_many(field.field_info.annotation) for field in fields}


def _takes_many(annotation: Any) -> bool:
    return get_origin(annotation) is list or any(_takes_many(part) for part in get_args(annotation))


def _refuse_other_parameters(request: Request, taken: Mapping[str, bool]) -> None:
    # A misspelt filter that is passed over shows everything, and of one that is given twice only the last would count.
    # Whoever has no token yet is spared: a log-in has to ignore what it does not know (RFC 6749, section 3.1).
    refused = [
        (name, "repeated" if name in taken else "extra_forbidden")
        for name, times in Counter(name for name, _ in request.query_params.multi_items()).items()
        if name not in taken or (times > 1 and not taken[name])
    ]
    if refused:
        told = {"repeated": "Give it once", "extra_forbidden": "There is no such parameter"}
        raise RequestValidationError(
            [{"type": kind, "loc": ("query", name), "msg": told[kind], "input": None} for name, kind in refused]
        )


def router(prefix: str, *, tags: Sequence[str]) -> APIRouter:
    """A router below `/api/v1` whose routes are `KehuRoute`s: `router("/customers", tags=["customers"])`."""
    return APIRouter(prefix=f"/api/v1{prefix}", tags=cast("list[str | Enum]", list(tags)), route_class=KehuRoute)
