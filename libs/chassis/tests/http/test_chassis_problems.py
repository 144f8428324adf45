"""Problems, cursors and text types: what callers are told, and that nothing slips through."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

import pytest
from asyncpg.pgproto.pgproto import UUID as DriverUUID  # noqa: N811  a subclass of the standard one
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Column, Integer, MetaData, Select, Table, Text, select
from sqlalchemy.dialects import postgresql

from kehu_chassis.columns import string
from kehu_chassis.database import Transaction
from kehu_chassis.errors import language_of
from kehu_chassis.paging import BadCursor, PageQuery, Pages, decode_cursor, encode_cursor, keyset, page_rows
from kehu_chassis.problems import Conflict, NotFound, Problem, ValidationProblem, problem_body, problems
from kehu_chassis.schemas import Day, Id, In, Line, Moment, Out


def test_a_problem_is_told_in_both_languages() -> None:
    problem = Conflict("It is closed.", detail_zh="已关闭。")
    english = problem_body(problem, language="en", trace_id="t")
    assert english == {
        "type": "urn:kehu:problem:conflict",
        "title": "The request conflicts with the present state",
        "status": 409,
        "detail": "It is closed.",
        "code": "conflict",
        "errors": [],
        "trace_id": "t",
    }
    chinese = problem_body(problem, language="zh", trace_id="t")
    assert (chinese["title"], chinese["detail"]) == ("请求与当前状态冲突", "已关闭。")


def test_field_errors_carry_pointers_and_languages() -> None:
    problem = ValidationProblem(
        errors=[{"pointer": "/phone", "code": "phone.invalid", "detail": "Not a phone number", "detail_zh": "号码无效"}]
    )
    assert problem_body(problem, language="zh", trace_id="t")["errors"] == [
        {"pointer": "#/phone", "in": "body", "code": "phone.invalid", "detail": "号码无效"}
    ]


def test_a_problem_type_must_be_complete() -> None:
    with pytest.raises(TypeError, match="title_zh"):
        type("Half", (Problem,), {"status": 400, "code": "half", "title": "Half"})


def test_declared_problems_are_grouped_by_status() -> None:
    class Busy(Problem):
        status = 409
        code = "thing.busy"
        title = "Busy"
        title_zh = "忙"

    declared = problems(404, 409, Busy)
    assert list(declared) == [404, 409]
    assert "thing.busy" in declared[409]["description"]
    assert "(`conflict`)" in declared[409]["description"]
    assert NotFound.code in declared[404]["description"]


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en-GB,zh;q=0.5", "en"),
        ("fr,de;q=0.9", "en"),
        ("fr, zh-TW;q=0.3", "zh"),
        ("zh;q=nonsense", "en"),
        ("zh;q=0", "en"),
    ],
)
def test_the_language_is_what_the_caller_prefers(header: str, language: str) -> None:
    assert language_of({"headers": [(b"accept-language", header.encode())]}) == language


KEYS = st.lists(
    st.one_of(
        st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=20),
        st.integers(-(2**31) + 1, 2**31 - 1),
        st.uuids(),
        st.dates(),
        st.datetimes(timezones=st.just(UTC)),
        st.decimals(allow_nan=False, allow_infinity=False),
        st.booleans(),
    ),
    min_size=1,
    max_size=3,
)


@given(KEYS)
def test_a_cursor_gives_back_its_sort_key(values: list[Any]) -> None:
    assert decode_cursor(encode_cursor(values, shape="list"), shape="list") == tuple(values)


@given(st.text(max_size=60))
def test_no_text_but_a_cursor_is_taken(text: str) -> None:
    with pytest.raises(BadCursor):
        decode_cursor(text, shape="list")


def test_a_cursor_of_another_list_is_refused() -> None:
    cursor = encode_cursor(["a"], shape="/complaints")
    with pytest.raises(BadCursor) as refusal:
        decode_cursor(cursor, shape="/customers")
    assert refusal.value.errors[0]["pointer"] == "/cursor"


@pytest.mark.parametrize(
    "key", ["a\0b", 2**31, -(2**31), datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))], ids=repr
)
def test_a_cursor_holds_nothing_that_the_database_refuses(key: Any) -> None:
    with pytest.raises(BadCursor):
        decode_cursor(encode_cursor([key], shape="list"), shape="list")


def test_a_cursor_does_not_hold_what_it_cannot_give_back() -> None:
    with pytest.raises(TypeError):
        encode_cursor([1.5], shape="list")


things = Table("things", MetaData(), Column("a", Text), Column("b", Integer))


def _sql(page: PageQuery, *, descending: bool) -> str:
    return _text(keyset(select(things.c.a), (things.c.a, things.c.b), page, descending=descending))


def _text(statement: Select[Any]) -> str:
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it so.
    return str(statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))


def test_a_page_is_cut_by_the_whole_sort_key_in_its_direction() -> None:
    assert "(things.a, things.b) > ('x', 1) ORDER BY things.a ASC, things.b ASC" in _sql(
        PageQuery(limit=5, after=("x", 1)), descending=False
    ).replace("\n", "").replace("  ", " ")
    descending = _sql(PageQuery(limit=5, after=("x", 1)), descending=True)
    assert "(things.a, things.b) < ('x', 1)" in descending
    assert "LIMIT 6" in descending


class Listener:
    """A transaction that notes what it is asked instead of answering."""

    sql = ""

    async def all(self, statement: Select[Any], given: dict[str, Any]) -> list[Any]:
        self.sql = _text(statement.params(given))
        return []


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("after", [None, ("x", 1)])
async def test_pages_made_once_are_those_that_are_made_for_each_call(
    after: tuple[str, int] | None, *, descending: bool
) -> None:
    page, listener = PageQuery(limit=5, after=after), Listener()
    pages = Pages(select(things.c.a), (things.c.a, things.c.b), descending=descending)
    await pages.read(cast("Transaction", listener), page)
    assert listener.sql == _sql(page, descending=descending)


async def test_pages_refuse_a_cursor_with_another_sort_key() -> None:
    listener = Listener()
    pages = Pages(select(things.c.a), (things.c.a, things.c.b))
    with pytest.raises(BadCursor):
        await pages.read(cast("Transaction", listener), PageQuery(after=("x",)))
    assert not listener.sql


def test_the_row_beyond_the_page_gives_the_cursor_and_is_not_shown() -> None:
    rows = [{"a": "x", "b": 1}, {"a": "y", "b": 2}, {"a": "z", "b": 3}]
    page = page_rows(rows, PageQuery(limit=2, shape="s"), ("a", "b"))
    assert page["items"] == rows[:2]
    assert page["next_cursor"] is not None
    assert decode_cursor(page["next_cursor"], shape="s") == ("y", 2)
    assert page_rows(rows[:2], PageQuery(limit=2), ("a", "b"))["next_cursor"] is None


class Pair(Out):
    one: Id
    other: Id | None


def test_an_id_is_written_alike_whoever_made_it() -> None:
    written = "0192f0c1-2d3e-7abc-8def-0123456789ab"
    pair = Pair(one=UUID(written), other=DriverUUID(written))
    assert pair.model_dump_json() == f'{{"one":"{written}","other":"{written}"}}'
    assert pair.model_dump() == {"one": UUID(written), "other": UUID(written)}
    one = Pair.model_json_schema(mode="serialization")["properties"]["one"]
    assert one == {"type": "string", "format": "uuid", "title": "One"}


class Inner(In):
    note: str


class Body(In):
    name: Line
    tags: list[str]
    inner: Inner
    free: dict[str, str]
    amount: Decimal
    ratio: float


GOOD: dict[str, Any] = {
    "name": "a",
    "tags": ["x"],
    "inner": {"note": "one\ntwo"},
    "free": {"k": "v"},
    "amount": "1.50",
    "ratio": 0.5,
}


def test_a_good_body_is_taken() -> None:
    assert Body.model_validate(GOOD).amount == Decimal("1.50")


@pytest.mark.parametrize(
    ("change", "place", "kind"),
    [
        ({"name": "a\x00b"}, ("name",), "control_character"),
        ({"name": "a\nb"}, ("name",), "line_break"),
        ({"name": "   "}, ("name",), "string_too_short"),
        # The document tells the length of what is sent.
        ({"name": " " + 200 * "x"}, ("name",), "string_too_long"),
        ({"name": "\x85name"}, ("name",), "control_character"),
        ({"tags": ["x", "\x1b[0m"]}, ("tags",), "control_character"),
        ({"free": {"k\x07": "v"}}, ("free",), "control_character"),
        ({"inner": {"note": "\x7f"}}, ("inner", "note"), "control_character"),
        ({"inner": {"note": "\ud800"}}, ("inner", "note"), "control_character"),
        ({"stray": 1}, ("stray",), "extra_forbidden"),
        ({"amount": "NaN"}, ("amount",), "finite_number"),
        ({"ratio": float("inf")}, ("ratio",), "finite_number"),
    ],
    ids=str,
)
def test_a_bad_field_is_refused_in_its_place(change: dict[str, Any], place: tuple[str, ...], kind: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        Body.model_validate({**GOOD, **change})
    assert [(error["loc"], error["type"]) for error in refusal.value.errors()] == [(place, kind)]


def test_an_answer_is_built_from_mapping_or_object_and_drops_what_it_does_not_know() -> None:
    class ThingOut(Out):
        thing_id: UUID
        day: date
        at: datetime

    moment = datetime(2026, 3, 2, 1, tzinfo=UTC)
    answer = ThingOut.model_validate({"thing_id": UUID(int=1), "day": date(2026, 3, 2), "at": moment, "secret": "x"})
    assert answer.model_dump_json() == (
        '{"thing_id":"00000000-0000-0000-0000-000000000001","day":"2026-03-02","at":"2026-03-02T01:00:00Z"}'
    )


@pytest.mark.parametrize("stated", [Moment, Day])
@pytest.mark.parametrize("value", [0, 86_400, 1.5, True, "0", "86400", "-1.0485003973359132e-256", " 1700000000 "])
def test_a_number_is_neither_a_moment_nor_a_day(stated: Any, value: object) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(stated).validate_python(value)
    assert refused.value.errors()[0]["type"] == "date_parsing"


@pytest.mark.parametrize("value", ["0001-01-01T00:00:00+08:00", "9999-12-31T23:59:59Z", "9998-01-01T00:00:00-08:00"])
def test_a_moment_at_either_end_of_all_years_is_refused(value: str) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(Moment).validate_python(value)
    assert refused.value.errors()[0]["type"] == "datetime_parsing"


def test_a_moment_and_a_day_are_written_as_rfc_3339_has_them() -> None:
    moment = TypeAdapter(Moment).validate_json('"2026-03-02T09:00:00+08:00"')
    assert moment == datetime(2026, 3, 2, 1, tzinfo=UTC)
    assert TypeAdapter(Day).validate_json('"2026-03-02"') == date(2026, 3, 2)


def test_a_page_goes_on_behind_a_text_of_ours() -> None:
    codes = Table("codes", MetaData(), string("code"))
    assert _text(keyset(select(codes.c.code), (codes.c.code,), PageQuery(limit=2, after=("B2",)))).startswith("SELECT")
