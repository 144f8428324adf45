"""Rows that a statement takes as arrays, so that a batch of any length is one statement of one text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import ARRAY, bindparam, column, func
from sqlalchemy.sql.selectable import TableValuedAlias
from sqlalchemy.types import TypeEngine

__all__ = ["arrays", "given"]


def given(alias: str, **columns: TypeEngine[Any] | type[TypeEngine[Any]]) -> TableValuedAlias:
    """`unnest($1, $2, …) AS alias (column, …)`, with one parameter for each column: the list of its values.

    `arrays` makes the parameters from rows.
    """
    # SQLAlchemy keeps the names of an inserted table's columns for itself.
    parameters = (bindparam(f"given_{name}", type_=ARRAY(type_)) for name, type_ in columns.items())
    return (
        func.unnest(*parameters)
        .table_valued(*(column(name, type_) for name, type_ in columns.items()), name=alias)
        .render_derived()
    )


def arrays(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> dict[str, Sequence[Any]]:
    """The parameters of `given`: one list per name, from rows that have their values in the order of the names."""
    columns: Iterable[Sequence[Any]] = zip(*rows, strict=True)
    columns = list(columns) or [()] * len(names)
    return {f"given_{name}": column for name, column in zip(names, columns, strict=True)}
