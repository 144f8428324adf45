"""Routes: one request is one transaction, told only after its commit; every refusal is a problem and writes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
import structlog

from kehu_chassis.database import Database
from kehu_chassis.paging import encode_cursor
from kehu_chassis.telemetry import log_processors
from kehu_chassis.testing.http import TestApp
from kehu_chassis.testing.openapi_rules import violations
from kehu_chassis.testing.tokens import TestIssuer
from kehu_contracts.access import Role

WRITER = Role.SYSTEM
NOTE = UUID(int=7)


async def count(database: Database, table: str = "notes") -> int:
    async with database.begin() as tx:
        return int(await tx.connection.fetchval(f"SELECT count(*) FROM {table}"))  # noqa: S608 - our own names.


def assert_problem(response: httpx.Response, status: int, code: str, *pointers: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert (body["status"], body["code"], body["type"]) == (status, code, f"urn:kehu:problem:{code}")
    assert body["title"]
    assert len(body["trace_id"]) == 32
    assert [error["pointer"] for error in body["errors"]] == list(pointers)
    return body


async def test_a_write_is_answered_from_what_was_written(probe: TestApp, database: Database) -> None:
    client = await probe.client(WRITER)
    response = await client.post("/api/v1/notes", json={"text": " first ", "rank": 3})
    assert response.status_code == 201
    note = response.json()
    assert (note["text"], note["rank"], note["version"]) == ("first", 3, 1)
    assert response.headers["etag"] == '"1"'
    assert response.headers["location"] == f"/api/v1/notes/{note['note_id']}"
    assert (await client.get(f"/api/v1/notes/{note['note_id']}")).json() == note
    assert await count(database) == await count(database, "audit") == 1


async def test_a_commit_that_fails_is_not_answered_as_done(probe: TestApp, database: Database) -> None:
    client = await probe.client(WRITER)
    response = await client.post("/api/v1/notes", json={"text": "fails at commit"})
    assert_problem(response, 500, "internal_error")
    assert await count(database) == await count(database, "audit") == 0


async def test_an_answer_that_does_not_fit_its_model_rolls_the_change_back(probe: TestApp) -> None:
    client = await probe.client(WRITER)
    note = (await client.post("/api/v1/notes", json={"text": "kept"})).json()
    assert_problem(await client.post(f"/api/v1/notes/{note['note_id']}/broken-answers"), 500, "internal_error")
    assert (await client.get(f"/api/v1/notes/{note['note_id']}")).json()["text"] == "kept"


async def test_a_refusal_rolls_back_and_is_told_in_the_callers_language(probe: TestApp, database: Database) -> None:
    client = await probe.client(WRITER)
    chinese = {"Accept-Language": "zh-CN,zh;q=0.9"}
    response = await client.post("/api/v1/notes", json={"text": "taken"}, headers=chinese)
    body = assert_problem(response, 409, "note.taken")
    assert body["title"] == "该文本已被占用"
    assert await count(database) == 0


@pytest.fixture
def json_logs() -> Iterator[None]:
    structlog.configure(processors=log_processors("probe"), logger_factory=structlog.BytesLoggerFactory())
    yield
    structlog.reset_defaults()


@pytest.mark.usefixtures("json_logs")
async def test_an_unexpected_error_tells_its_place_and_nothing_of_its_text(
    probe: TestApp, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    client = await probe.client(WRITER)
    response = await client.post("/api/v1/notes", json={"text": "boom"})
    assert_problem(response, 500, "internal_error")
    lines = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    assert "secret text" not in response.text + json.dumps(lines)
    told = next(line for line in lines if line["event"] == "http.unexpected_error")
    assert (told["error"], told["service"], told["level"]) == ("RuntimeError", "probe", "error")
    assert told["trace_id"] == response.json()["trace_id"]
    assert "add_note" in told["stack"]
    access = next(line for line in lines if line["event"] == "http.request")
    assert (access["method"], access["route"], access["status"]) == ("POST", "/api/v1/notes", 500)


LOCKED = """
CREATE ROLE {role};
GRANT SELECT, INSERT ON notes TO {role};
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY short ON notes TO {role} USING (true) WITH CHECK (length(text) < 5);
"""


async def test_a_write_that_row_level_security_refuses_is_the_callers_and_a_missing_grant_is_ours(
    probe: TestApp, probe_dsn: str
) -> None:
    role = f"narrow_{uuid4().hex[:12]}"
    owner = await asyncpg.connect(probe_dsn)
    await owner.execute(LOCKED.format(role=role))
    address = urlsplit(probe_dsn)
    dsn = address._replace(netloc=f"{role}@{address.netloc.rpartition('@')[2]}").geturl()
    await owner.execute(f"ALTER ROLE {role} LOGIN")
    probe.runtime.database = await Database.connect(dsn, schema="public")
    client = await probe.client(WRITER)

    refused = await client.post("/api/v1/notes", json={"text": "too long"})
    assert_problem(refused, 422, "request.out_of_reach")
    # The audit table was not granted: no answer may hide that.
    assert_problem(await client.post("/api/v1/notes", json={"text": "ok"}), 500, "internal_error")
    assert await owner.fetchval("SELECT count(*) FROM notes") == 0

    await probe.runtime.database.close()
    await owner.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
    await owner.close()


BAD_BODIES = [
    ({"rank": 1}, ["#/text"]),
    ({"text": "a", "stray": 1}, ["#/stray"]),
    ({"text": 5}, ["#/text"]),
    ({"text": "a", "rank": "x"}, ["#/rank"]),
    ({"text": "a\x00b"}, ["#/text"]),
    ({"text": "a\u001bb"}, ["#/text"]),
    ({"text": "x" * 201}, ["#/text"]),
    ([], [""]),
]


@pytest.mark.parametrize(("body", "pointers"), BAD_BODIES, ids=str)
async def test_a_bad_body_is_refused_with_pointers(
    probe: TestApp, database: Database, body: Any, pointers: list[str]
) -> None:
    client = await probe.client(WRITER)
    response = await client.post("/api/v1/notes", json=body)
    found = response.json()
    assert (response.status_code, found["code"]) == (422, "request.invalid")
    assert [error["pointer"] for error in found["errors"]] == [pointer or "#" for pointer in pointers]
    assert await count(database) == 0


@pytest.mark.parametrize(
    ("content", "media_type", "status", "code"),
    [
        (b'{"text": ', "application/json", 400, "request.malformed"),
        (b'{"text": "\xff"}', "application/json", 400, "request.malformed"),
        (b"[" * 1500, "application/json", 400, "request.malformed"),
        (b'{"text": "a\x00"}', "application/json", 400, "request.malformed"),
        (b'{"rank": ' + b"9" * 1500 + b"}", "application/json", 422, "request.invalid"),
        (b"text=a", "application/x-www-form-urlencoded", 415, "request.unsupported_media_type"),
        (b'{"text": "a"}', "text/plain", 415, "request.unsupported_media_type"),
        (b'{"text": "' + b"a" * 3000 + b'"}', "application/json", 413, "request.body_too_large"),
    ],
    ids=["cut", "not utf-8", "deep", "raw NUL", "huge number", "form", "text", "large"],
)
async def test_what_cannot_be_read_is_refused(
    probe: TestApp, database: Database, content: bytes, media_type: str, status: int, code: str
) -> None:
    client = await probe.client(WRITER)
    response = await client.post("/api/v1/notes", content=content, headers={"content-type": media_type})
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert await count(database) == 0


async def test_a_body_that_grows_beyond_the_limit_as_it_comes_is_refused(probe: TestApp) -> None:
    async def drip() -> Any:
        for _ in range(100):
            yield b" " * 100

    client = await probe.client(WRITER)
    response = await client.post("/api/v1/notes", content=drip(), headers={"content-type": "application/json"})
    assert_problem(response, 413, "request.body_too_large")


async def test_without_a_valid_token_there_is_401_with_a_challenge(probe: TestApp, issuer: TestIssuer) -> None:
    for headers in (
        {},
        {"Authorization": "Basic dTpw"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": f"Bearer {issuer.token([WRITER], expires_in=-60)}"},
        {"Authorization": f"Bearer {TestIssuer().token([WRITER])}"},
    ):
        client = await probe.client(**headers)  # type: ignore[arg-type]
        response = await client.post("/api/v1/notes", json={"text": "a"})
        assert_problem(response, 401, "auth.token_invalid")
        assert response.headers["www-authenticate"].startswith('Bearer realm="kehu"')


async def test_without_the_permission_there_is_403_before_the_body_is_looked_at(
    probe: TestApp, database: Database
) -> None:
    client = await probe.client(Role.AUDITOR)
    response = await client.post("/api/v1/notes", content=b"not json")
    body = assert_problem(response, 403, "auth.forbidden")
    assert body["detail"] == "This needs customer:write."
    assert await count(database) == 0


async def test_no_such_thing_path_and_method_are_told_apart_by_status_only(probe: TestApp) -> None:
    client = await probe.client(WRITER)
    assert_problem(await client.get(f"/api/v1/notes/{uuid4()}"), 404, "not_found")
    assert_problem(await client.get("/api/v1/nothing"), 404, "not_found")
    response = await client.delete("/api/v1/notes")
    assert_problem(response, 405, "request.method_not_allowed")
    assert set(response.headers["allow"].split(", ")) <= {"GET", "POST"}
    assert_problem(await client.get("/api/v1/notes/not-a-uuid"), 422, "request.invalid", "#/note_id")


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("limit=0", "#/limit"),
        ("limit=201", "#/limit"),
        ("limit=x", "#/limit"),
        ("cursor=nonsense", "#/cursor"),
        ("min_rank=%00", "#"),
        ("min_rank=1%1b", "#"),
    ],
)
async def test_a_bad_query_is_refused(probe: TestApp, query: str, pointer: str) -> None:
    client = await probe.client(WRITER)
    response = await client.get(f"/api/v1/notes?{query}")
    assert response.status_code == 422
    error = response.json()["errors"][0]
    assert (error["pointer"], error["in"]) == (pointer, "query")


@pytest.mark.parametrize(
    ("query", "name", "code"),
    [
        ("min_rnak=9", "min_rnak", "extra_forbidden"),
        ("Limit=1", "Limit", "extra_forbidden"),
        ("min_rank=9&min_rank=0", "min_rank", "repeated"),
    ],
)
async def test_a_filter_that_would_not_count_is_refused(probe: TestApp, query: str, name: str, code: str) -> None:
    client = await probe.client(WRITER)
    body = assert_problem(await client.get(f"/api/v1/notes?{query}"), 422, "request.invalid", f"#/{name}")
    assert [(error["in"], error["code"]) for error in body["errors"]] == [("query", code)]


async def test_a_write_with_a_parameter_that_it_does_not_take_writes_nothing(
    probe: TestApp, database: Database
) -> None:
    client = await probe.client(WRITER)
    response = await client.post("/api/v1/notes?dry_run=true", json={"text": "not meant"})
    assert_problem(response, 422, "request.invalid", "#/dry_run")
    assert await count(database) == 0


@pytest.mark.parametrize("encoded", ["%00", "%1B", "%7f", "%C2%8B", "%c2%9f", "%E2%80%A8"])
async def test_a_control_character_in_path_or_query_is_refused(probe: TestApp, encoded: str) -> None:
    client = await probe.client(WRITER)
    for place, where in ((f"/a{encoded}b", "path"), (f"?cursor=a{encoded}b", "query")):
        response = await client.get(f"/api/v1/notes{place}")
        wrong = response.json()["errors"][0]
        assert (response.status_code, wrong["in"], wrong["code"]) == (422, where, "control_character")


async def test_pages_follow_one_another_though_rows_come_in_between(probe: TestApp) -> None:
    client = await probe.client(WRITER)
    for rank in (10, 20, 30, 40):
        await client.post("/api/v1/notes", json={"text": f"n{rank}", "rank": rank})
    first = (await client.get("/api/v1/notes", params={"limit": 2})).json()
    await client.post("/api/v1/notes", json={"text": "early", "rank": 5})
    await client.post("/api/v1/notes", json={"text": "between", "rank": 35})
    second = (await client.get("/api/v1/notes", params={"limit": 10, "cursor": first["next_cursor"]})).json()
    assert [note["rank"] for note in first["items"]] == [10, 20]
    assert [note["rank"] for note in second["items"]] == [30, 35, 40]
    assert second["next_cursor"] is None


async def test_a_cursor_belongs_to_its_filters(probe: TestApp) -> None:
    client = await probe.client(WRITER)
    for rank in (1, 2, 3):
        await client.post("/api/v1/notes", json={"text": "n", "rank": rank})
    cursor = (await client.get("/api/v1/notes?limit=1&min_rank=1")).json()["next_cursor"]
    assert (await client.get(f"/api/v1/notes?limit=1&min_rank=1&cursor={cursor}")).status_code == 200
    response = await client.get(f"/api/v1/notes?limit=1&min_rank=2&cursor={cursor}")
    assert_problem(response, 422, "request.bad_cursor", "#/cursor")


@pytest.mark.parametrize(
    "key",
    [[1], ["x", NOTE], [1, str(NOTE)], [True, NOTE], [None, NOTE], [2**31, NOTE], [1, NOTE, 1], ["a\0b", NOTE]],
    ids=str,
)
async def test_a_cursor_that_somebody_made_up_is_refused(probe: TestApp, key: list[Any]) -> None:
    client = await probe.client(WRITER)
    shape = json.dumps(["/api/v1/notes", []])
    good = encode_cursor([1, NOTE], shape=shape)
    assert (await client.get("/api/v1/notes", params={"cursor": good})).status_code == 200
    response = await client.get("/api/v1/notes", params={"cursor": encode_cursor(key, shape=shape)})
    assert_problem(response, 422, "request.bad_cursor", "#/cursor")


async def test_a_change_needs_the_version_that_was_read(probe: TestApp) -> None:
    client = await probe.client(WRITER)
    created = await client.post("/api/v1/notes", json={"text": "a"})
    path = created.headers["location"]
    assert_problem(await client.put(path, json={"text": "b"}), 428, "request.precondition_required")
    assert_problem(await client.put(path, json={"text": "b"}, headers={"If-Match": "three"}), 400, "request.malformed")
    changed = await client.put(path, json={"text": "b"}, headers={"If-Match": created.headers["etag"]})
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    stale = await client.put(path, json={"text": "c"}, headers={"If-Match": created.headers["etag"]})
    assert_problem(stale, 412, "request.precondition_failed")
    assert stale.headers["etag"] == '"2"'
    assert (await client.get(path)).json()["text"] == "b"


async def test_the_database_is_told_the_callers_reach_and_that_a_read_writes_nothing(probe: TestApp) -> None:
    auditor = await probe.client(Role.AUDITOR, subject="au")
    assert (await auditor.get("/api/v1/who")).json() == {"subject": "au", "reach": "all", "read_only": "on"}
    marketer = await probe.client(Role.MARKETER, staff_id=uuid4(), subject="ma")
    assert (await marketer.get("/api/v1/who")).json() == {"subject": "ma", "reach": "subtree", "read_only": "on"}


async def test_a_public_route_needs_no_token(probe: TestApp) -> None:
    assert (await (await probe.client()).get("/api/v1/who/public")).json() == {"hello": "world"}


async def test_every_route_of_the_probe_is_declared_whole(probe: TestApp) -> None:
    assert violations(probe.app) == []
    operation = probe.app.openapi()["paths"]["/api/v1/notes"]["post"]
    assert operation["x-permission"] == "customer:write"
    assert operation["security"] == [{"bearer": []}]
    assert {"201", "400", "401", "403", "408", "409", "413", "415", "422", "503"} == operation["responses"].keys()
    assert list(operation["responses"]["409"]["content"]) == ["application/problem+json"]


async def test_health_tells_that_the_process_lives_and_answers_metrics(probe: TestApp) -> None:
    client = await probe.client()
    assert (await client.get("/health/live")).json() == {"status": "ok"}
    authorised = await probe.client(WRITER)
    await authorised.get(f"/api/v1/notes/{uuid4()}")
    metrics = (await client.get("/metrics")).text
    assert 'kehu_http_requests_total{method="GET",route="/api/v1/notes/{note_id}",status="404"}' in metrics


async def test_the_service_is_unavailable_and_says_so_when_its_database_is_away(
    probe: TestApp, closed_port: int
) -> None:
    client = await probe.client(WRITER)
    nowhere = await Database.connect(f"postgresql://postgres@127.0.0.1:{closed_port}/x", schema="public", min_size=0)
    probe.runtime.database = nowhere
    response = await client.get(f"/api/v1/notes/{uuid4()}")
    assert_problem(response, 503, "service.unavailable")
    assert response.headers["retry-after"] == "2"
    ready = await client.get("/health/ready")
    assert (ready.status_code, ready.json()["checks"]["database"]) == (503, "DatabaseUnavailable")
    await nowhere.close()
