"""The suite's key file and what stands under its keys: looked at, rotated, retired, while the services run."""

from __future__ import annotations

import asyncio
import base64
import getpass
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

from kehu_chassis import audit
from kehu_chassis.clock import SuiteClock
from kehu_chassis.crypto import KeyFileError, KeyRing, retire_key
from kehu_chassis.database import Database, Transaction
from kehu_local.environment import database_dsn
from kehu_local.failures import Failed
from kehu_local.plan import Plan, write_json
from kehu_local.secrets import Secrets

__all__ = ["KEYED", "Kind", "Standing", "retire", "rotate", "standing"]

Kind = Literal["kek", "index"]

KEYED: Final[Mapping[str, Mapping[str, str]]] = {
    "customer": {
        "customers": "key_id",
        "party_names": "'index-' || index_version",
        "contact_points": "'index-' || index_version",
        "documents": "'index-' || index_version",
    },
    "complaints": {"complaints": "key_id"},
}
"""By service and table: what names the key that a row stands under."""
KEY_BYTES: Final = 32
TRANSACTIONS_END_WITHIN: Final = 120.0


@dataclass(frozen=True, slots=True)
class Standing:
    """A key of the file: whether it is active, and how many rows of each table stand under it."""

    name: str
    active: bool
    rows: Mapping[str, int]


async def standing(plan: Plan) -> list[Standing]:
    """Every key of the file with what stands under it."""
    async with _services(plan) as databases:
        rows = await _rows(databases)
    return [
        Standing(_name(kind, key), key == str(section["active"]), rows.get(_name(kind, key), {}))
        for kind, section in _sections(_read(plan)).items()
        for key in section["keys"]
    ]


async def rotate(plan: Plan, kind: Kind, *, settle: float) -> str:
    """Add a key and make it active once every process knows it; tells its name. The jobs then move all rows to it.

    Args:
        plan: the suite.
        kind: `kek` wraps the parties' keys, `index` makes blind indexes and name tokens.
        settle: seconds in which every process has read the file: services look at it each second.
    """
    content = _read(plan)
    section = content[kind]
    if len(section["keys"]) > 1:
        others = ", ".join(_name(kind, key) for key in section["keys"] if key != str(section["active"]))
        raise Failed(f"A rotation is under way: {others} still stands.", f"End it first: kehu keys retire {others}")
    (former,) = section["keys"]
    number = int(former.rpartition("-")[2]) + 1
    key = f"kek-{number}" if kind == "kek" else str(number)
    section["keys"][key] = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
    write_json(plan.key_file, content)
    # A process that met data under a key that it does not know yet could not read or find them.
    await asyncio.sleep(settle)
    section["active"] = key if kind == "kek" else number
    write_json(plan.key_file, content)
    await _note(plan, "keys.rotated", _name(kind, key))
    return _name(kind, key)


async def retire(plan: Plan, name: str) -> None:
    """Take a key out of the file for good. Raises `Failed` while it is active or anything stands under it."""
    content = _read(plan)
    kind, key = ("index", name.removeprefix("index-")) if name.startswith("index-") else ("kek", name)
    section = content[kind]
    if key not in section["keys"]:
        raise Failed(f"There is no key {name}.", "See what there is: kehu keys status")
    if key == str(section["active"]):
        raise Failed(f"{name} is active.", f"Rotate first: kehu keys rotate {kind}")
    async with _services(plan) as databases:
        for opened in databases.values():
            await _outlive_transactions(opened)
        left = {table: count for table, count in (await _rows(databases)).get(name, {}).items() if count}
        if left:
            told = ", ".join(f"{count} rows of {table}" for table, count in left.items())
            raise Failed(f"{name} is still needed by {told}.", "The workers move them; try again in a moment.")
        # Asked for no more first: a process that starts in between may have the key and need not.
        for opened in databases.values():
            async with opened.begin() as tx:
                await retire_key(tx, name)
    del section["keys"][key]
    write_json(plan.key_file, content)
    await _note(plan, "keys.retired", name)


async def _outlive_transactions(database: Database) -> None:
    """Wait until every transaction that runs now has ended: it may have begun when the key was active."""
    async with database.begin() as tx:
        now = await tx.connection.fetchval("SELECT pg_current_xact_id()::text::bigint")
    oldest = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
    try:
        async with asyncio.timeout(TRANSACTIONS_END_WITHIN):
            while True:
                async with database.begin(read_only=True) as tx:
                    if await tx.connection.fetchval(oldest) > now:
                        return
                await asyncio.sleep(0.2)
    except TimeoutError:
        cause = f"A transaction has run for more than {TRANSACTIONS_END_WITHIN:.0f} s."
        raise Failed(cause, "See pg_stat_activity, and try again when it has ended.") from None


async def _rows(databases: Mapping[str, Database]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for service, opened in databases.items():
        async with opened.begin(read_only=True) as tx:
            for table, key in KEYED[service].items():
                for row in await _counted(tx, table, key):
                    found.setdefault(row["name"], {})[f"{service}.{table}"] = row["rows"]
    return found


async def _counted(tx: Transaction, table: str, key: str) -> Any:
    return await tx.connection.fetch(f"SELECT {key} AS name, count(*) AS rows FROM {table} GROUP BY 1")  # noqa: S608


async def _note(plan: Plan, action: str, name: str) -> None:
    """Leave an audit row in every service that has the keys."""
    async with _services(plan) as databases:
        for opened in databases.values():
            async with opened.begin() as tx:
                await audit.record(
                    tx,
                    actor=f"kehu keys:{getpass.getuser()}",
                    action=action,
                    resource=("key", name),
                    at=SuiteClock(plan.clock_file).now(),
                )


@asynccontextmanager
async def _services(plan: Plan) -> AsyncIterator[dict[str, Database]]:
    """The databases of the services that keep what is encrypted, as their workers see them: every row."""
    secrets_of = Secrets.load_or_make(plan)
    async with AsyncExitStack() as stack:
        databases = {}
        for service in KEYED:
            dsn = database_dsn(plan, secrets_of, service, "worker")
            try:
                databases[service] = await Database.connect(dsn, schema=service, application_name="kehu-keys")
            except OSError as error:
                raise Failed(f"PostgreSQL does not answer: {error}", "Start the suite: make up") from error
            stack.push_async_callback(databases[service].close)
        yield databases


def _read(plan: Plan) -> dict[str, Any]:
    try:
        KeyRing.from_file(plan.key_file)
    except KeyFileError as error:
        raise Failed(str(error), "Put the file back from your copy.") from error
    content: dict[str, Any] = json.loads(plan.key_file.read_text(encoding="utf-8"))
    return content


def _sections(content: Mapping[str, Any]) -> dict[str, Any]:
    return {kind: content[kind] for kind in ("kek", "index")}


def _name(kind: str, key: str) -> str:
    return key if kind == "kek" else f"index-{key}"
