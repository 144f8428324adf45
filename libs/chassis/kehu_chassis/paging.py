"""Lists by keyset: `items` and an opaque `next_cursor` that survives inserts.

    async def list_cases(tx: Transaction, page: PageQuery) -> PageRows:
        rows = await tx.all(keyset(select(cases), (cases.c.received_at, cases.c.id), page, descending=True))
        return page_rows(rows, page, ("received_at", "id"))

A cursor holds the sort key of the last row that was given. It grants nothing, since every page is read in the caller's
scope; so it carries a checksum, which tells a damaged cursor or one of another list, and no secret.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import blake2b
from typing import Annotated, Any, Final, Generic, TypedDict, TypeVar
from uuid import UUID

from fastapi import Depends, Query, Request
from pydantic import BaseModel
from sqlalchemy import ColumnElement, Integer, Select, bindparam, tuple_

from kehu_chassis.columns import refuse_control_characters
from kehu_chassis.database import Record, Transaction
from kehu_chassis.problems import ValidationProblem

__all__ = [
    "MAX_LIMIT",
    "BadCursor",
    "CursorQuery",
    "Page",
    "PageQuery",
    "PageRows",
    "Pages",
    "decode_cursor",
    "encode_cursor",
    "keyset",
    "page_query",
    "page_rows",
]

MAX_LIMIT: Final = 200
_CHECK_BYTES: Final = 6
T = TypeVar("T")


class BadCursor(ValidationProblem):
    """The cursor is damaged, or it comes from another list or other filters."""

    code = "request.bad_cursor"
    title = "The cursor is not valid for this list"
    title_zh = "分页游标无效"

    def __init__(self) -> None:
        super().__init__(
            "Start again without a cursor.",
            detail_zh="请去掉游标后重新查询。",
            errors=[
                {
                    "pointer": "/cursor",
                    "where": "query",
                    "code": "bad_cursor",
                    "detail": "Not a cursor of this list",
                    "detail_zh": "不是该列表的游标",
                }
            ],
        )


class Page(BaseModel, Generic[T]):
    """One page of a list; `next_cursor` is null on the last one."""

    items: list[T]
    next_cursor: str | None


class PageRows(TypedDict):
    """What a query function hands to a route that answers a `Page`."""

    items: Sequence[Any]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class PageQuery:
    """Which page is wanted. `after` is the sort key of the last row of the page before; `shape` names list and filters."""

    limit: int = 50
    after: tuple[Any, ...] | None = None
    shape: str = ""

    def place(self, *kinds: type) -> tuple[Any, ...] | None:
        """The sort key that the page comes after, which has values of these types; None on the first page.

        Raises:
            BadCursor: it has others. Anybody can make a cursor, and what is in it goes to the database.
        """
        if self.after is not None and tuple(map(type, self.after)) != kinds:
            raise BadCursor
        return self.after


def encode_cursor(values: Sequence[Any], *, shape: str) -> str:
    """Pack the sort key of a row. Values: str, int, bool, UUID, Decimal, date or datetime.

    Args:
        values: the sort key.
        shape: what the cursor belongs to: the list with its filters.
    """
    body = json.dumps([_pack(value) for value in values], ensure_ascii=False, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_check(body, shape) + body).rstrip(b"=").decode()


def decode_cursor(cursor: str, *, shape: str) -> tuple[Any, ...]:
    """The sort key in a cursor.

    Raises:
        BadCursor: it was not made by `encode_cursor` for this shape.
    """
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        check, body = raw[:_CHECK_BYTES], raw[_CHECK_BYTES:]
        if check != _check(body, shape):
            raise BadCursor
        return tuple(_unpack(value) for value in json.loads(body))
    except (ValueError, binascii.Error, AttributeError, TypeError, KeyError, ArithmeticError, RecursionError):
        raise BadCursor from None


def keyset(
    statement: Select[Any], columns: Sequence[ColumnElement[Any]], page: PageQuery, *, descending: bool = False
) -> Select[Any]:
    """Order a statement by columns (none of them nullable, together unique) and cut out a page.

    One row more than the page holds is asked for: it tells whether another page follows.
    """
    after = page.place(*(column.type.python_type for column in columns))
    bound = None if after is None else tuple_(*after, types=[column.type for column in columns])
    return _cut_out(statement, columns, bound, page.limit + 1, descending=descending)


class Pages:
    """The pages of a list whose statement does not vary: what `keyset` makes for each call is made once.

    _CASES = Pages(select(cases), (cases.c.received_at, cases.c.id), descending=True)
    rows = await _CASES.read(tx, page)
    """

    def __init__(
        self, statement: Select[Any], columns: Sequence[ColumnElement[Any]], *, descending: bool = False
    ) -> None:
        self._after = [f"page_after_{number}" for number in range(len(columns))]
        self._kinds = [column.type.python_type for column in columns]
        bound = tuple_(*(bindparam(name, type_=column.type) for name, column in zip(self._after, columns, strict=True)))
        most = bindparam("page_most", type_=Integer)
        self._first = _cut_out(statement, columns, None, most, descending=descending)
        self._later = _cut_out(statement, columns, bound, most, descending=descending)

    async def read(self, tx: Transaction, page: PageQuery, parameters: Mapping[str, Any] | None = None) -> list[Record]:
        """The rows of a page, and one more if another follows; `parameters` fill the statement's own `bindparam`s."""
        given = {"page_most": page.limit + 1, **(parameters or {})}
        after = page.place(*self._kinds)
        if after is None:
            return await tx.all(self._first, given)
        return await tx.all(self._later, {**given, **dict(zip(self._after, after, strict=True))})


def _cut_out(
    statement: Select[Any], columns: Sequence[ColumnElement[Any]], bound: Any, most: Any, *, descending: bool
) -> Select[Any]:
    ordered = statement.order_by(*(column.desc() if descending else column.asc() for column in columns))
    if bound is not None:
        key = tuple_(*columns)
        ordered = ordered.where(key < bound if descending else key > bound)
    return ordered.limit(most)


def page_rows(rows: Sequence[Mapping[str, Any]], page: PageQuery, key: Sequence[str]) -> PageRows:
    """Shape the rows of a `keyset` statement; `key` names the sort columns in them."""
    items = rows[: page.limit]
    more = len(rows) > page.limit
    last = tuple(items[-1][name] for name in key) if more else ()
    return {"items": items, "next_cursor": encode_cursor(last, shape=page.shape) if more else None}


async def page_query(
    request: Request,
    cursor: Annotated[str | None, Query(max_length=1000, description="next_cursor of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 50,
) -> PageQuery:
    """Read `cursor` and `limit`; the other parameters of the query are the list's filters."""
    filters = sorted((name, value) for name, value in request.query_params.multi_items() if name not in _OWN)
    shape = json.dumps([request.scope["path"], filters], ensure_ascii=False)
    after = None if cursor is None else decode_cursor(cursor, shape=shape)
    return PageQuery(limit=limit, after=after, shape=shape)


CursorQuery = Annotated[PageQuery, Depends(page_query)]
"""A route's parameter for the page that is wanted."""

_OWN: Final = frozenset({"cursor", "limit"})


def _check(body: bytes, shape: str) -> bytes:
    return blake2b(body, digest_size=_CHECK_BYTES, key=blake2b(shape.encode(), digest_size=32).digest()).digest()


def _pack(value: Any) -> Any:
    match value:
        case None | bool() | int() | str():
            return value
        case UUID():
            return {"u": str(value)}
        case datetime():
            return {"t": value.isoformat()}
        case date():
            return {"d": value.isoformat()}
        case Decimal():
            return {"n": str(value)}
    msg = f"a cursor cannot hold a {type(value).__name__}"
    raise TypeError(msg)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "u": UUID,
    "t": _instant,
    "d": date.fromisoformat,
    "n": Decimal,
}
_MOST: Final = 2**31
"""Beyond any number that a list is sorted by; a column of PostgreSQL would not take a larger one."""


def _unpack(value: Any) -> Any:
    match value:
        case dict():
            ((kind, text),) = value.items()
            return _READERS[kind](text)
        case str():
            return refuse_control_characters(value)
        case int() if abs(value) >= _MOST:
            raise ArithmeticError
    return value
