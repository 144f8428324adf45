"""Requests that two readers could read in two ways, and callers who hold the line: refused as told, and nothing crosses."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from collections import Counter
from typing import Any

import pytest

from kehu_chassis.testing.plugin import Eventually

from .conftest import SECONDS, Gateway

POST = b"POST /api/v1/complaints HTTP/1.1\r\nHost: gateway\r\n"
GET = b"GET /api/v1/units HTTP/1.1\r\nHost: gateway\r\n"
CLOSE = b"Connection: close\r\n"
POSTS = re.compile(r'^kehu_http_requests_total\{method="POST",route="[^"]*",status="(\d+)"\} (\S+)$', re.MULTILINE)
HIDDEN = b"GET /api/v1/staff HTTP/1.1\r\nHost: gateway\r\n\r\n"


def problem_of(answer: bytes) -> tuple[int, str]:
    """Status and code of the only answer that came."""
    assert answer.count(b"HTTP/1.1 ") == 1, answer
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head.lower()
    told = json.loads(body)
    assert told["status"] == int(head.split(b" ")[1])
    assert told["type"] == f"urn:kehu:problem:{told['code']}"
    assert len(told["trace_id"]) == 32
    return told["status"], told["code"]


AMBIGUOUS = {
    "length and chunks (CL.TE)": POST + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
    "chunks and length (TE.CL)": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n1\r\nG\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: 60\r\n\r\n{}" + HIDDEN,
    "the same length twice": POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "a list of lengths": POST + b"Content-Length: 2, 2\r\n\r\n{}",
    "a signed length": POST + b"Content-Length: +2\r\n\r\n{}",
    "a negative length": POST + b"Content-Length: -2\r\n\r\n{}",
    "a hexadecimal length": POST + b"Content-Length: 0x2\r\n\r\n{}",
    "an unknown coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "compressed chunks": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunks not last": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "two codings": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "a space before the colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a line feed after a chunk's extension": POST + b"Transfer-Encoding: chunked\r\n\r\n2;\n{}\r\n0\r\n\r\n",
    "line feeds between chunks": POST + b"Transfer-Encoding: chunked\r\n\r\n2\n{}\n0\n\n",
    "a chunk without end": POST + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\n{}",
    "a chunk size with 0x": POST + b"Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
    "a chunk longer than told": POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}XX0\r\n\r\n",
    "a folded header": GET + b"X-A: 1\r\n Content-Length: 9\r\n\r\n",
    "a bare line feed": GET + b"X-A: 1\nX-B: 2\r\n\r\n",
    "a bare carriage return": GET + b"X-A: 1\rX-B: 2\r\n\r\n",
    "a NUL": GET + b"X-A: 1\x002\r\n\r\n",
    "line feeds only": GET.replace(b"\r\n", b"\n") + b"\n",
    "a space in a name": GET + b"X A: 1\r\n\r\n",
    "no colon": GET + b"XA\r\n\r\n",
    "no name": GET + b": a\r\n\r\n",
    "no host": GET.replace(b"Host: gateway\r\n", b"") + b"X-A: 1\r\n\r\n",
    "two hosts": GET + b"Host: other\r\n\r\n",
    "two tokens": GET + b"Authorization: Bearer other\r\n\r\n",
    "two idempotency keys": POST + b"Idempotency-Key: a\r\nIdempotency-Key: b\r\nContent-Length: 2\r\n\r\n{}",
    "an unknown method": GET.replace(b"GET", b"HACK") + b"\r\n",
    "a tunnel": b"CONNECT evil.test:443 HTTP/1.1\r\nHost: evil.test\r\n\r\n",
    "HTTP/2 unasked": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


@pytest.mark.parametrize("what", AMBIGUOUS)
async def test_what_can_be_read_in_two_ways_is_not_read(gateway: Gateway, rm: bytes, what: str) -> None:
    request = AMBIGUOUS[what].replace(b"\r\n", b"\r\n" + rm, 1) if b"gateway" in AMBIGUOUS[what] else AMBIGUOUS[what]
    assert problem_of(await gateway.talk(request)) == (400, "request.malformed")
    assert gateway.seen == []


async def test_chunks_arrive_as_the_body_that_they_are(gateway: Gateway, rm: bytes) -> None:
    chunks = b"2;name=value\r\n{}\r\n0\r\nX-Staff: admin\r\n\r\n"
    answer = await gateway.talk(POST + rm + CLOSE + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
    assert answer.startswith(b"HTTP/1.1 200 ")
    (crossed,) = gateway.seen
    names = [name for name, _ in crossed.headers]
    assert (crossed.body, names.count("content-length")) == (b"{}", 1)
    assert not {"transfer-encoding", "x-staff", "trailer"} & set(names)


async def test_what_stands_behind_the_last_chunk_is_no_header(gateway: Gateway, rm: bytes) -> None:
    trailed = POST + CLOSE + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
    assert problem_of(await gateway.talk(trailed + rm + b"\r\n"))[0] == 401
    assert gateway.seen == []
    claims = b"Idempotency-Key: a\r\nAuthorization: Bearer other\r\n\r\n"
    assert (await gateway.talk(trailed.replace(CLOSE, CLOSE + rm) + claims)).startswith(b"HTTP/1.1 200 ")
    (crossed,) = gateway.seen
    assert "idempotency-key" not in dict(crossed.headers)
    assert [f"Authorization: {value}\r\n".encode() for name, value in crossed.headers if name == "authorization"] == [
        rm
    ]


async def test_what_follows_a_body_is_the_next_request_and_no_part_of_it(gateway: Gateway, rm: bytes) -> None:
    first = POST + rm + b"Content-Length: 2\r\n\r\n{}"
    second = HIDDEN.replace(b"\r\n\r\n", b"\r\n" + rm + CLOSE + b"\r\n")
    answer = await gateway.talk(first + second)
    assert answer.count(b"HTTP/1.1 200 ") == 2
    assert [(seen.method, seen.target, seen.body) for seen in gateway.seen] == [
        ("POST", "/api/v1/complaints", b"{}"),
        ("GET", "/api/v1/staff", b""),
    ]


async def test_an_absolute_target_and_a_foreign_host_lead_nowhere_else(gateway: Gateway, rm: bytes) -> None:
    request = b"GET http://evil.test/api/v1/units HTTP/1.1\r\nHost: evil.test\r\n" + rm + CLOSE + b"\r\n"
    answer = await gateway.talk(request)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"evil" not in answer
    assert [seen.target for seen in gateway.seen] == ["/api/v1/units"]
    assert dict(gateway.seen[0].headers)["host"].startswith("127.0.0.1:")


async def test_an_upgrade_is_not_followed(gateway: Gateway, rm: bytes) -> None:
    upgrade = (
        b"Connection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Key: a\r\nSec-WebSocket-Version: 13\r\n"
    )
    answer = await gateway.talk(GET + rm + upgrade + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert not {"upgrade", "sec-websocket-key"} & {name for name, _ in gateway.seen[0].headers}


TOO_LARGE = {
    "many headers": (POST + b"X: 1\r\n" * 200 + b"\r\n", 431, "request.head_too_large"),
    "a long header": (POST + b"X: " + b"a" * 40_000 + b"\r\n\r\n", 431, "request.head_too_large"),
    "a long address": (b"GET /api/v1/units?q=" + b"a" * 40_000 + b" HTTP/1.1\r\n", 431, "request.head_too_large"),
    "a huge body": (POST + b"Content-Length: 2000000\r\n\r\n" + b"x" * 500_000, 413, "request.body_too_large"),
}


@pytest.mark.parametrize("what", TOO_LARGE)
async def test_what_is_too_large_is_not_taken(gateway: Gateway, rm: bytes, what: str) -> None:
    request, status, code = TOO_LARGE[what]
    request = request.replace(b"HTTP/1.1\r\n", b"HTTP/1.1\r\n" + rm, 1)
    assert problem_of(await gateway.talk(request)) == (status, code)
    assert gateway.seen == []


async def test_a_head_or_body_without_end_is_cut_where_the_limit_is(gateway: Gateway, rm: bytes) -> None:
    # Each goes on until it is over the limit; a sender who never stops is cut off there.
    endless = [b"a" * 16_384] * 2
    assert problem_of(await gateway.talk(POST + rm + b"X: ", *endless)) == (431, "request.head_too_large")
    chunk = b"4000\r\n" + b"x" * 16_384 + b"\r\n"
    answer = await gateway.talk(POST + rm + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 62)
    assert problem_of(answer) == (413, "request.body_too_large")
    # A log-in's form is read of anybody; what stands beside its chunks has the limit of a head.
    form = b"POST /oauth2/token HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    begun = form + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n"
    for rest in (b"0\r\nX: ", b"1;"):
        answer = await gateway.talk(begun + rest, *endless, endless[0], pause=0.05)
        assert problem_of(answer) == (431, "request.head_too_large")
    assert gateway.seen == []


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, identity"])
async def test_a_compressed_body_is_not_unpacked(gateway: Gateway, encoding: str) -> None:
    bomb = gzip.compress(b" " * 100_000_000)
    async with gateway.client(await gateway.token()) as client:
        answer = await client.post(
            "/api/v1/complaints",
            content=bomb,
            headers={"Content-Encoding": encoding, "Content-Type": "application/json"},
        )
    assert (answer.status_code, answer.json()["code"]) == (415, "request.unsupported_media_type")
    assert answer.headers["accept-encoding"] == "identity"
    assert gateway.seen == []


async def _answers(gateway: Gateway, token: str) -> None:
    async with gateway.client(token) as client:
        for _ in range(20):
            assert (await client.get("/api/v1/units")).status_code == 200


async def test_callers_who_dribble_are_cut_off_and_the_others_are_served(gateway: Gateway, rm: bytes) -> None:
    token = await gateway.token("rm2")
    slow_heads = [gateway.talk(POST, *[b"X-A: 1\r\n"] * 200, pause=0.1) for _ in range(100)]
    slow_bodies = [
        gateway.talk(POST + rm + b"Content-Length: 1000\r\n\r\n", *[b"x"] * 200, pause=0.1) for _ in range(100)
    ]
    silent = [gateway.talk() for _ in range(100)]
    began = asyncio.get_running_loop().time()
    attack = asyncio.gather(*slow_heads, *slow_bodies, *silent)
    await _answers(gateway, token)
    answers = await attack
    assert {problem_of(answer) for answer in answers[:200]} == {(408, "request.timed_out")}
    assert set(answers[200:]) == {b""}
    assert SECONDS <= asyncio.get_running_loop().time() - began < 20 * SECONDS
    assert {seen.method for seen in gateway.seen} == {"GET"}


async def test_who_hangs_up_in_the_middle_is_no_error_of_ours(
    gateway: Gateway, rm: bytes, eventually: Eventually
) -> None:
    async with gateway.client() as client:

        async def answered() -> Counter[str]:
            told = (await client.get("/metrics")).text
            counted: Counter[str] = Counter()
            for status, number in POSTS.findall(told):
                counted[status] += int(float(number))
            return counted

        before = await answered()
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(POST + rm + b"Content-Length: 1000\r\n\r\n{")
        await writer.drain()
        writer.close()

        async def is_counted() -> bool:
            return await answered() != before

        await eventually(is_counted)
        assert await answered() - before == Counter({"400": 1})
    assert gateway.seen == []


async def test_no_header_of_a_caller_says_who_he_is(gateway: Gateway) -> None:
    claims: dict[str, Any] = {
        "X-Forwarded-For": "10.0.0.1",
        "X-Forwarded-Host": "evil.test",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-User": "admin",
        "X-Remote-User": "admin",
        "X-Kehu-Subject": "admin",
        "X-Staff-Id": "00000000-0000-0000-0000-000000000001",
        "X-Roles": "system",
        "X-Original-URL": "/api/v1/operations/customer/dead-letters",
        "X-HTTP-Method-Override": "DELETE",
        "Forwarded": "for=10.0.0.1;host=evil.test",
        "Cookie": "kehu_session=guess",
        "Proxy-Authorization": "Basic YTpi",
        "X-CSRF-Token": "x",
    }
    token = await gateway.token()
    async with gateway.client(token) as client:
        assert (await client.get("/api/v1/units", headers=claims)).status_code == 200
    (crossed,) = gateway.seen
    assert {name for name, _ in crossed.headers} <= {"accept", "authorization", "host", "traceparent"}
    assert dict(crossed.headers)["authorization"] == f"Bearer {token}"
    async with gateway.client() as client:
        assert (await client.get("/api/v1/units", headers=claims)).status_code == 401
    assert len(gateway.seen) == 1
