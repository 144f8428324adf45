"""Gathers all that a suite keeps and tells, and looks in it for people."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import shutil
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient

from kehu_contracts.bank import PartyIdentity
from kehu_local.environment import DATABASE, admin_dsn
from kehu_local.plan import Plan
from kehu_local.secrets import Secrets

from ..scenarios.plain_topics import records_of  # noqa: TID252  no installed package holds what tests read topics with

__all__ = ["find", "gather", "told_of"]

SHORTEST = 3
"""A name of two characters stands in many a text that is about nobody."""
BY_CHANCE = re.compile(rb"[0-9a-f]{24,}")
"""In a gigabyte of ciphertext in hexadecimal, some eleven digits are somebody's phone number; eighteen are nobody's ID."""
CHANCE_OF = 12


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


def _forms(value: str) -> list[bytes]:
    """The shortest of the ways in which a value may stand somewhere: where a longer one does, one of these does."""
    kept: list[bytes] = []
    for form in sorted({form for text in _normalised(value) for form in _written(text)}, key=len):
        if not any(shorter in form for shorter in kept):
            kept.append(form)
    return kept


async def find(values: Iterable[str], folder: Path) -> dict[str, set[str]]:
    """The values that stand in files below a folder, in whatever form, each with the files."""
    forms = {form: value for value in values for form in _forms(value)}
    wanted = folder.with_suffix(".forms")
    wanted.write_bytes(b"\n".join(forms) + b"\n")
    # One pass for all values at once; `in` would take one for each of some hundred thousand.
    process = await asyncio.create_subprocess_exec(
        "grep", "-raobF", "--null", "-f", str(wanted), str(folder),
        env={"LC_ALL": "C"}, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, _ = await process.communicate()
    assert process.returncode in {0, 1}
    found: dict[str, set[str]] = {}
    for line in output.splitlines():
        name, _, rest = line.partition(b"\0")
        offset, _, form = rest.partition(b":")
        file = Path(name.decode())
        if not (form.isdigit() and len(form) <= CHANCE_OF and _is_by_chance(file, int(offset), form)):
            found.setdefault(forms[form], set()).add(file.relative_to(folder).as_posix())
    return found


def _is_by_chance(file: Path, offset: int, form: bytes) -> bool:
    """Whether digits stand within a long run of hexadecimal ones, which is no text."""
    start = max(0, offset - 24)
    with file.open("rb") as opened:
        opened.seek(start)
        around = opened.read(offset - start + len(form) + 24)
    return any(run.start() <= offset - start < run.end() for run in BY_CHANCE.finditer(around))


async def gather(plan: Plan, folder: Path) -> Mapping[str, int]:
    """All that a running suite keeps and tells, as files below a folder; tells how many messages each topic has.

    Spans of traces are lines of the logs.
    """
    for part in ("tables", "topics", "logs"):
        (folder / part).mkdir(parents=True)
    server = admin_dsn(plan, Secrets.load_or_make(plan)).rpartition("/")[0]
    await _dump_database(f"{server}/{DATABASE}", folder / "tables")
    counts = await _dump_topics(plan.kafka_bootstrap, folder / "topics")
    for log in plan.logs.iterdir():
        shutil.copyfile(log, folder / "logs" / log.name)
    return counts


async def _dump_database(dsn: str, folder: Path) -> None:
    """Every table of every schema of ours, row by row, as PostgreSQL's superuser sees them."""
    connection = await asyncpg.connect(dsn)
    tables = await connection.fetch(
        "SELECT schemaname, tablename FROM pg_tables WHERE schemaname <> ALL ('{pg_catalog,information_schema}')"
    )
    for schema, table in tables:
        await connection.copy_from_query(
            f'SELECT * FROM "{schema}"."{table}"',  # noqa: S608  from the catalogue
            output=folder / f"{schema}.{table}",
            timeout=None,
        )
    await connection.close()


async def _dump_topics(bootstrap: str, folder: Path) -> Mapping[str, int]:
    """Every message of every topic: key, headers and body. Tells how many each topic has."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    topics = [name for name in await admin.list_topics() if not name.startswith("__")]
    await admin.close()
    counts: dict[str, int] = dict.fromkeys(topics, 0)
    for topic in topics:
        with (folder / topic).open("wb") as file:
            async for record in records_of(bootstrap, topic):
                counts[topic] += 1
                head = json.dumps([record.key, record.headers], ensure_ascii=False).encode()
                file.write(head + b"\n" + (record.body or b"") + b"\n")
    return counts
