"""SQLAlchemy Core statements as text and arguments for asyncpg, compiled once.

A statement that is made anew for each call is found by its cache key; one that stands at module level is found by
itself, which costs next to nothing. Put hot statements at module level, with `bindparam` and a dict of parameters.

`column.in_(values)` becomes `column = ANY ($1)`, so that a list of any length is the same prepared statement. Python-side
column defaults and result processors of SQLAlchemy are not used: defaults are the server's, rows come as the driver
gives them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import ARRAY, BindParameter
from sqlalchemy.dialects.postgresql.asyncpg import PGCompiler_asyncpg, PGDialect_asyncpg
from sqlalchemy.sql import ClauseElement, operators
from sqlalchemy.sql.dml import Insert, Update, UpdateBase
from sqlalchemy.types import TypeEngine

from kehu_chassis.columns import Text, check_texts
from kehu_chassis.scope import Reach

__all__ = ["MissingParameter", "Statements"]

Parameters = Mapping[str, Any]


class MissingParameter(KeyError):
    """A statement's `bindparam` was given no value."""


class _Compiler(PGCompiler_asyncpg):
    """Renders membership in a list as a comparison with an array."""

    def visit_in_op_binary(self, binary: Any, operator: Any, **options: Any) -> str:
        return self._array_comparison(binary, operators.eq, "ANY", options) or self._plainly(binary, operator, options)

    def visit_not_in_op_binary(self, binary: Any, operator: Any, **options: Any) -> str:
        return self._array_comparison(binary, operators.ne, "ALL", options) or self._plainly(binary, operator, options)

    def _plainly(self, binary: Any, operator: Any, options: dict[str, Any]) -> str:
        word = " IN " if operator is operators.in_op else " NOT IN "
        return f"({self._generate_generic_binary(binary, word, **options)})"

    def _array_comparison(self, binary: Any, operator: Any, quantifier: str, options: dict[str, Any]) -> str | None:
        values = binary.right
        if not (isinstance(values, BindParameter) and values.expanding):
            return None
        array = values._clone(maintain_key=True)  # noqa: SLF001  keeps the place in the cache key
        array.expanding = False
        array.type = ARRAY(values.type)
        left, right = self.process(binary.left, **options), self.process(array, **options)
        return f"{left} {'=' if operator is operators.eq else '<>'} {quantifier} ({right})"


class _Dialect(PGDialect_asyncpg):
    statement_compiler = _Compiler
    supports_statement_cache = True

    def __init__(self, reach: Reach) -> None:
        # JSON is written and read by the codec of the connection, for our statements and for raw ones alike.
        super().__init__(json_serializer=lambda value: value)  # type: ignore[no-untyped-call]
        self.reach = reach


class _Prepared:
    """SQL text and, per argument, where its value comes from."""

    __slots__ = ("arguments", "sql")

    def __init__(self, statement: ClauseElement, dialect: _Dialect, column_keys: Sequence[str] | None) -> None:
        key = statement._generate_cache_key()  # noqa: SLF001  SQLAlchemy's own cache is reachable by this alone
        if isinstance(statement, Insert | Update) and not statement._returning:  # noqa: SLF001  else ids are fetched
            statement = statement.inline()
        compiled = statement.compile(dialect=dialect, cache_key=key, column_keys=column_keys)
        assert isinstance(compiled, _Compiler)
        self.sql = compiled.string
        places = {}
        if key is not None:
            match = compiled._cache_key_bind_match  # noqa: SLF001  tells which argument is which value of the statement
            assert match is not None
            for index, original in enumerate(key.bindparams):
                places.update({id(bind): index for bind in match[0][original]})
        self.arguments: tuple[tuple[str, int | None, Any, Callable[[Any], Any] | None], ...] = tuple(
            (bind.key, places.get(id(bind)), bind, _processor(bind.type, dialect))
            for bind in (compiled.binds[name] for name in compiled.positiontup or ())
        )

    def values(self, own: Sequence[BindParameter[Any]], given: Parameters) -> list[Any]:
        """The arguments: what was given, else what stands in the statement itself."""
        values = []
        for name, place, bind, process in self.arguments:
            if name in given:
                value = given[name]
            else:
                source = bind if place is None else own[place]
                if source.required:
                    raise MissingParameter(name)
                value = source.effective_value
            values.append(value if process is None else process(value))
        return values


def _processor(type_: TypeEngine[Any], dialect: _Dialect) -> Callable[[Any], Any] | None:
    process: Callable[[Any], Any] | None = type_.dialect_impl(dialect).bind_processor(dialect)
    if process is not None and isinstance(type_, ARRAY) and isinstance(type_.item_type, Text):
        # A batch has thousands of texts, and a call for each of them costs more than the look at them.
        return partial(check_texts, one_by_one=process)
    return process


class Statements:
    """Compiles statements for one reach and remembers them."""

    def __init__(self, reach: Reach) -> None:
        self._dialect = _Dialect(reach)
        self._by_key: dict[Any, _Prepared] = {}
        self._by_statement: WeakKeyDictionary[ClauseElement, dict[Any, tuple[_Prepared, Any]]] = WeakKeyDictionary()

    def render(self, statement: ClauseElement, given: Parameters | None = None) -> tuple[str, list[Any]]:
        """SQL text and arguments.

        Raises:
            MissingParameter: a `bindparam` has no value.
        """
        prepared, own = self._find(statement, given)
        return prepared.sql, prepared.values(own, given or {})

    def render_many(self, statement: ClauseElement, given: Sequence[Parameters]) -> tuple[str, list[list[Any]]]:
        """SQL text and arguments of a statement that runs once per set of parameters."""
        prepared, own = self._find(statement, given[0])
        return prepared.sql, [prepared.values(own, parameters) for parameters in given]

    def _find(self, statement: ClauseElement, given: Parameters | None) -> tuple[_Prepared, Any]:
        # The parameters' names decide which columns an INSERT or UPDATE without values writes.
        names = tuple(given) if given and isinstance(statement, UpdateBase) else None
        known = self._by_statement.get(statement)
        if known is None:
            known = self._by_statement[statement] = {}
        elif names in known:
            return known[names]
        key = statement._generate_cache_key()  # noqa: SLF001  the same
        if key is None:
            found: tuple[_Prepared, Sequence[BindParameter[Any]]] = _Prepared(statement, self._dialect, names), ()
        else:
            prepared = self._by_key.get((key.key, names))
            if prepared is None:
                if len(self._by_key) >= _MOST_REMEMBERED:
                    # A statement that varies without end would fill the memory; starting anew costs one compilation each.
                    self._by_key.clear()
                prepared = self._by_key[key.key, names] = _Prepared(statement, self._dialect, names)
            found = prepared, key.bindparams
        known[names] = found
        return found


_MOST_REMEMBERED: Final = 2_000
