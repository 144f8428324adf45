"""A small service with one noun, `notes`, on a database of its own: what the HTTP side of the chassis is tried on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from fastapi import Depends, Response
from sqlalchemy import Column, Integer, MetaData, Table, Text, bindparam, insert, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from kehu_chassis import audit, crypto, idempotency
from kehu_chassis.auth import Principal
from kehu_chassis.clock import FixedClock
from kehu_chassis.columns import id_column
from kehu_chassis.database import Database, Record
from kehu_chassis.definition import ServiceDefinition
from kehu_chassis.http import PUBLIC, IfMatch, Now, Tx, check_version, etag, requires, router
from kehu_chassis.paging import CursorQuery, Page, PageRows, keyset, page_rows
from kehu_chassis.problems import Conflict, NotFound, problems
from kehu_chassis.schemas import In, Line, Out
from kehu_chassis.settings import ServiceSettings
from kehu_chassis.testing.http import TestApp, open_test_app, test_settings
from kehu_chassis.testing.tokens import TestIssuer
from kehu_contracts.access import Permission

metadata = MetaData()
notes = Table(
    "notes",
    metadata,
    id_column("note_id"),
    Column("text", Text, nullable=False),
    Column("rank", Integer, nullable=False),
    Column("version", Integer, nullable=False, server_default="1"),
)
LATE_CHECK = """
CREATE FUNCTION refuse_late() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.text = 'fails at commit' THEN RAISE EXCEPTION 'refused at commit'; END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON notes DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION refuse_late();
CREATE FUNCTION enter_scope(reach text, staff_id uuid) RETURNS void LANGUAGE sql
AS $$ SELECT set_config('kehu.reach', reach, true) $$;
"""


class NoteIn(In):
    text: Line
    rank: int = 0


class NoteOut(Out):
    note_id: UUID
    text: str
    rank: int
    version: int


class Taken(Conflict):
    """The text is taken."""

    code = "note.taken"
    title = "This text is taken"
    title_zh = "该文本已被占用"


class WhoOut(Out):
    subject: str
    reach: str
    read_only: str


Reader = Annotated[Principal, requires(Permission.CUSTOMER_READ)]
Writer = Annotated[Principal, requires(Permission.CUSTOMER_WRITE)]
routes = router("/notes", tags=["notes"])


@routes.get("", response_model=Page[NoteOut])
async def list_notes(page: CursorQuery, _: Reader, tx: Tx, min_rank: int = 0) -> PageRows:
    """Notes by rank."""
    statement = keyset(select(notes).where(notes.c.rank >= min_rank), (notes.c.rank, notes.c.note_id), page)
    return page_rows(await tx.all(statement), page, ("rank", "note_id"))


@routes.post("", response_model=NoteOut, status_code=201, responses=problems(Taken))
async def add_note(body: NoteIn, actor: Writer, tx: Tx, now: Now, response: Response) -> Record:
    """Add a note."""
    if body.text == "taken":
        raise Taken
    if body.text == "boom":
        msg = "secret text of an error"
        raise RuntimeError(msg)
    row = await tx.one(ADD_NOTE, {"text": body.text, "rank": body.rank})
    await audit.record(tx, actor=actor, action="note.added", resource=("note", row["note_id"]), at=now)
    response.headers["ETag"] = etag(row["version"])
    response.headers["Location"] = f"/api/v1/notes/{row['note_id']}"
    return row


ONE_NOTE = select(notes).where(notes.c.note_id == bindparam("note_id"))
ADD_NOTE = insert(notes).values(text=bindparam("text"), rank=bindparam("rank")).returning(notes)


@routes.get("/{note_id}", response_model=NoteOut, responses=problems(404))
async def get_note(note_id: UUID, _: Reader, tx: Tx) -> Record:
    """One note."""
    row = await tx.first(ONE_NOTE, {"note_id": note_id})
    if row is None:
        raise NotFound
    return row


@routes.put("/{note_id}", response_model=NoteOut, responses=problems(404))
async def put_note(note_id: UUID, body: NoteIn, version: IfMatch, _: Writer, tx: Tx) -> Record:
    """Change a note."""
    row = await tx.first(select(notes).where(notes.c.note_id == note_id).with_for_update())
    if row is None:
        raise NotFound
    check_version(row["version"], version)
    change = update(notes).where(notes.c.note_id == note_id).values(text=body.text, version=notes.c.version + 1)
    return await tx.one(change.returning(notes))


@routes.post("/{note_id}/broken-answers", response_model=NoteOut, responses=problems(404))
async def break_answer(note_id: UUID, _: Writer, tx: Tx) -> dict[str, Any]:
    """Write, and answer what does not fit the response model."""
    await tx.execute(update(notes).where(notes.c.note_id == note_id).values(text="changed"))
    return {"note_id": note_id}


async def _told(tx: Tx) -> dict[str, str]:
    row = await tx.connection.fetchrow(
        "SELECT current_setting('kehu.reach', true) AS reach, current_setting('transaction_read_only') AS read_only"
    )
    return dict(row)


who_routes = router("/who", tags=["who"])


@who_routes.get("", response_model=WhoOut)
async def who(
    actor: Annotated[Principal, requires()], told: Annotated[dict[str, str], Depends(_told)]
) -> dict[str, str]:
    """Who calls, and what the database was told."""
    return {"subject": actor.subject, **told}


@who_routes.get("/public", response_model=dict[str, str], openapi_extra=PUBLIC)
async def anyone() -> dict[str, str]:
    """Anyone may ask."""
    return {"hello": "world"}


class Settings(ServiceSettings, env_prefix="PROBE_"):
    port: int = 0
    worker_port: int = 0


DEFINITION = ServiceDefinition(
    name="probe", schema="public", settings=Settings, migrations=Path("unused"), routers=(routes, who_routes)
)
TABLES = (notes, *idempotency.tables(MetaData()), *audit.tables(MetaData()), *crypto.tables(MetaData()))


async def _lay_out(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it so.
    for table in TABLES:
        await connection.execute(str(CreateTable(table).compile(dialect=dialect)))
        for index in table.indexes:
            await connection.execute(str(CreateIndex(index).compile(dialect=dialect)))
    for partition in audit.PARTITIONS:
        await connection.execute(partition)
    await connection.execute(LATE_CHECK)
    await connection.close()


@pytest.fixture
async def probe_dsn(postgres: str) -> AsyncIterator[str]:
    name = f"http_{uuid4().hex[:12]}"
    admin = await asyncpg.connect(postgres)
    await admin.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    dsn = postgres.rpartition("/")[0] + f"/{name}"
    await _lay_out(dsn)
    yield dsn
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture
async def database(probe_dsn: str) -> AsyncIterator[Database]:
    opened = await Database.connect(probe_dsn, schema="public", max_size=20, wait=30.0)
    yield opened
    await opened.close()


@pytest.fixture
def issuer() -> TestIssuer:
    return TestIssuer()


@pytest.fixture
async def probe(probe_dsn: str, database: Database, issuer: TestIssuer) -> AsyncIterator[TestApp]:
    settings = test_settings(Settings, probe_dsn, max_body_bytes=2000)
    async with open_test_app(
        DEFINITION, database=database, settings=settings, clock=FixedClock(), issuer=issuer
    ) as opened:
        yield opened


@pytest.fixture
def definition_of_probe() -> ServiceDefinition:
    return DEFINITION
