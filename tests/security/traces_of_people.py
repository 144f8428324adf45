"""Gathers all that a suite keeps and tells, and looks in it for people."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient

from kehu_contracts.bank import PartyIdentity

from ..scenarios.plain_topics import read_all  # noqa: TID252  no installed package holds what tests read topics with

__all__ = ["dump_database", "dump_topics", "find", "told_of"]

SHORTEST = 3
"""A name of two characters stands in many a text that is about nobody."""


def told_of(person: PartyIdentity) -> Iterator[str]:
    """What identifies a person, as the bank says it."""
    yield from (name for name in (person.name, person.latin_name, person.former_name) if name and len(name) >= SHORTEST)
    yield from (document.number for document in person.documents)
    yield from (contact.value for contact in person.contacts)


def _normalised(value: str) -> Iterator[str]:
    folded = unicodedata.normalize("NFKC", value)
    yield from (value, folded, folded.casefold(), folded.upper())
    digits = re.sub(r"[\s()+-]", "", folded)
    if re.fullmatch(r"(86)?1\d{10}", digits):
        yield from (digits[-11:], f"+86{digits[-11:]}", f"86{digits[-11:]}")
    yield re.sub(r"\s+", "", folded)


def _written(value: str) -> Iterator[bytes]:
    """The ways in which a text stands in a dump, a log line or a URL."""
    plain = value.encode()
    yield plain
    yield json.dumps(value)[1:-1].encode()
    yield quote(value, safe="").encode()
    # COPY writes bytes in hexadecimal.
    yield plain.hex().encode()
    for before in range(3):
        # Within a longer base64 text a value begins at one of three places; what its neighbours spoil is cut off.
        encoded = base64.b64encode(b"\0" * before + plain)
        middle = encoded[(before * 8 + 5) // 6 : (before + len(plain)) * 8 // 6]
        yield middle
        yield middle.translate(bytes.maketrans(b"+/", b"-_"))


def _forms(values: Iterable[str]) -> dict[bytes, str]:
    return {form: value for value in values for text in _normalised(value) for form in _written(text)}


async def find(values: Iterable[str], folder: Path) -> dict[str, set[str]]:
    """The values that stand in files below a folder, in whatever form, each with the files."""
    forms = _forms(values)
    wanted = folder.with_suffix(".forms")
    wanted.write_bytes(b"\n".join(forms) + b"\n")
    # One pass for all values at once; `in` would take one for each of some ten thousand.
    process = await asyncio.create_subprocess_exec(
        "grep", "-raoF", "--null", "-f", str(wanted), str(folder),
        env={"LC_ALL": "C"}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode in {0, 1}
    found: dict[str, set[str]] = {}
    for line in output.splitlines():
        file, _, form = line.partition(b"\0")
        found.setdefault(forms[form], set()).add(Path(file.decode()).name)
    return found


async def dump_database(dsn: str, folder: Path) -> None:
    """Every table of every schema of ours, row by row, as PostgreSQL's superuser sees them."""
    connection = await asyncpg.connect(dsn)
    tables = await connection.fetch(
        "SELECT schemaname, tablename FROM pg_tables WHERE schemaname <> ALL ('{pg_catalog,information_schema}')"
    )
    for schema, table in tables:
        await connection.copy_from_query(f'SELECT * FROM "{schema}"."{table}"', output=folder / f"{schema}.{table}")  # noqa: S608
    await connection.close()


async def dump_topics(bootstrap: str, folder: Path) -> Mapping[str, int]:
    """Every message of every topic: key, headers and body. Tells how many each topic has."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    topics = [name for name in await admin.list_topics() if not name.startswith("__")]
    await admin.close()
    counts: dict[str, int] = dict.fromkeys(topics, 0)
    for record in await read_all(bootstrap, topics):
        counts[record.topic] += 1
        head = json.dumps([record.key, record.headers], ensure_ascii=False).encode()
        with (folder / record.topic).open("ab") as file:
            file.write(head + b"\n" + (record.body or b"") + b"\n")
    return counts
