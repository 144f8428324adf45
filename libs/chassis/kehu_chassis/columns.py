"""Column types and helpers that make every service's tables read alike."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from asyncpg.pgproto.pgproto import UUID as DriverUUID  # noqa: N811  a subclass of the standard one
from sqlalchemy import (
    BigInteger,
    BindParameter,
    Column,
    ColumnElement,
    Date,
    DateTime,
    Numeric,
    Uuid,
    cast,
    type_coerce,
)
from sqlalchemy import (
    text as sql,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.schema import SchemaItem
from sqlalchemy.types import String, TypeDecorator, UserDefinedType
from uuid_utils import uuid7

__all__ = [
    "ControlCharacter",
    "LtreePath",
    "Text",
    "check_texts",
    "code",
    "day",
    "document",
    "id_column",
    "instant",
    "money",
    "new_id",
    "reference",
    "refuse_control_characters",
    "string",
    "texts",
    "version",
]

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]|[\ud800-\udfff]")


class ControlCharacter(ValueError):
    """A text holds NUL, another control character or half a surrogate pair."""


def refuse_control_characters(value: str) -> str:
    """Give the text back, or refuse it: only tab and line breaks are let through.

    Raises:
        ControlCharacter: names the position, never the text.
    """
    found = _CONTROL.search(value)
    if found is not None:
        raise ControlCharacter(f"control character U+{ord(found[0]):04X} at position {found.start()}")
    return value


def check_texts(values: Any, one_by_one: Callable[[Any], Any]) -> Any:
    """Texts of an array, given back as they are when none of them holds a control character, in one look at all.

    `one_by_one` gets them otherwise, to say which is wrong, or to take what is no plain list of texts.
    """
    try:
        found = _CONTROL.search("".join(filter(None, values)))
    except TypeError:
        return one_by_one(values)
    return values if found is None else one_by_one(values)


class Text(TypeDecorator[str]):
    """Text that refuses control characters before PostgreSQL would."""

    impl = String
    cache_ok = True

    @property
    def python_type(self) -> type[str]:
        """What its values are: SQLAlchemy does not ask the type that this one decorates."""
        return str

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002  SQLAlchemy's shape
        """Check a value on its way to the database."""
        return None if value is None else refuse_control_characters(value)


class LtreePath(UserDefinedType[str]):
    """A PostgreSQL `ltree`, given and taken as text: the driver has no codec for a type of an extension."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """The type's name in DDL and casts."""
        return "ltree"

    def bind_expression(self, bindvalue: BindParameter[str]) -> ColumnElement[str]:
        """Send text, cast on the server."""
        return cast(type_coerce(bindvalue, String), self)

    def column_expression(self, column: ColumnElement[Any]) -> ColumnElement[Any]:
        """Take text."""
        return cast(column, String)


def new_id() -> UUID:
    """A new UUIDv7: rises with the machine's time, so that indexes grow at their end."""
    # As the driver gives ids back: made, hashed and written as text in a fraction of the standard class's time.
    identity: UUID = DriverUUID(uuid7().bytes)
    return identity


def id_column(name: str) -> Column[UUID]:
    """A primary key that PostgreSQL fills with a UUIDv7 when it is not given."""
    return Column(name, Uuid, primary_key=True, server_default=sql("uuidv7()"))


def reference(name: str, *constraints: SchemaItem, nullable: bool = False, **options: Any) -> Column[UUID]:
    """The id of a row here or in another service."""
    return Column(name, Uuid, *constraints, nullable=nullable, **options)


def string(name: str, *constraints: SchemaItem, nullable: bool = False, **options: Any) -> Column[str]:
    """Text without control characters."""
    return Column(name, Text, *constraints, nullable=nullable, **options)


def code(name: str, *constraints: SchemaItem, nullable: bool = False, **options: Any) -> Column[str]:
    """A value of a closed list; a `StrEnum` goes in as it is and text comes out."""
    return Column(name, Text, *constraints, nullable=nullable, **options)


def texts(name: str, *, nullable: bool = False, **options: Any) -> Column[list[str]]:
    """A list of texts."""
    return Column(name, ARRAY(Text), nullable=nullable, **options)


def instant(name: str, *, nullable: bool = False, **options: Any) -> Column[Any]:
    """A moment, UTC in and out. Business columns are given `clock.now()`, never a database default."""
    return Column(name, DateTime(timezone=True), nullable=nullable, **options)


def day(name: str, *, nullable: bool = False, **options: Any) -> Column[Any]:
    """A date that the law counts, in a zone that the rule names."""
    return Column(name, Date, nullable=nullable, **options)


def money(name: str, *, nullable: bool = False, **options: Any) -> Column[Any]:
    """An amount in its currency; the currency stands in a column of its own."""
    return Column(name, Numeric(20, 4), nullable=nullable, **options)


def document(name: str, *, nullable: bool = False, **options: Any) -> Column[Any]:
    """JSON, taken and given as Python values; `None` is SQL NULL."""
    return Column(name, JSONB, nullable=nullable, **options)


def version(name: str = "version") -> Column[int]:
    """Counts the changes of a row; its ETag. A statement that changes the row adds one."""
    return Column(name, BigInteger, nullable=False, server_default=sql("1"))
