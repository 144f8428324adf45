"""The suite's key files and what stands under its keys: looked at, rotated, retired, while the services run."""

from __future__ import annotations

import asyncio
import base64
import getpass
import json
import re
import secrets
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

from kehu_chassis import audit
from kehu_chassis.clock import SuiteClock
from kehu_chassis.crypto import KeyFileError, KeyRing, encryption_keys, retire_key
from kehu_chassis.database import Database, Transaction
from kehu_local import message_keys
from kehu_local.environment import database_dsn
from kehu_local.failures import Failed, no_database
from kehu_local.message_keys import KEY_BYTES, Jwk
from kehu_local.plan import Plan, write_json
from kehu_local.secrets import Secrets, wrapping_part

__all__ = ["KEYED", "KINDS", "Kind", "Standing", "hand_over", "retire", "rotate", "standing"]

Kind = Literal["kek", "index", "message", "webhook"]

KINDS: Final[tuple[Kind, ...]] = ("kek", "index", "message", "webhook")
KEYED: Final[Mapping[str, Mapping[str, str]]] = {
    "customer": {
        "customers": "key_id",
        "party_names": "'index-' || index_version",
        "contact_points": "'index-' || index_version",
        "documents": "'index-' || index_version",
    },
    "complaints": {"complaints": "key_id"},
    "gateway": {"webhooks": "key_id"},
}
"""By service and table: what names the key that a row stands under."""
HOLDERS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "kek": ("customer", "complaints"),
    "index": ("customer",),
    "message": ("customer",),
    "webhook": ("gateway",),
}
"""The services whose key file a kind stands in."""
RECEIVER: Final = "customer"
"""The service that opens what is sent under message keys."""
WAITING: Final = "messages that wait"
TRANSACTIONS_END_WITHIN: Final = 120.0


@dataclass(frozen=True, slots=True)
class Standing:
    """A key of a file: whether it is active, how many rows of each table stand under it, when it was last sent under."""

    name: str
    active: bool
    rows: Mapping[str, int]
    last_sent: datetime | None = None


async def standing(plan: Plan) -> list[Standing]:
    """Every key with what stands under it."""
    async with _services(plan, KEYED) as databases:
        rows = await _rows(databases)
        async with databases[RECEIVER].begin(read_only=True) as tx:
            sent = await message_keys.last_statements(tx)
    found = []
    for kind in KINDS:
        section = _read(plan, kind)[_section(kind)]
        for key in section["keys"]:
            name = _name(kind, key)
            stands, last = rows.get(name, {}), None
            if kind == "message" and name in sent:
                stands, last = {f"{RECEIVER}.source_records": sent[name].messages, **stands}, sent[name].last
            found.append(Standing(name, key == str(section["active"]), stands, last))
    return found


async def rotate(plan: Plan, kind: Kind, *, settle: float, given: Jwk | None = None) -> str:
    """Add a key and make it active once every process knows it; tells its name. The jobs then move all rows to it.

    Args:
        plan: the suite.
        kind: `kek` wraps the parties' keys, `index` makes blind indexes and name tokens, `message` opens what senders
            seal: nothing is moved to it, and the others go on opening what comes under them, `webhook` wraps the keys of
            webhooks' secrets.
        settle: seconds in which every process has read the file: services look at it each second.
        given: a message key that its sender made; a new one is made if there is none.
    """
    content = _read(plan, kind)
    section = content[_section(kind)]
    if kind == "message":
        key = await _new_kid(plan, section["keys"], given)
    else:
        _require_settled(kind, section)
        (former,) = section["keys"]
        number = int(former.rpartition("-")[2]) + 1
        key = str(number) if kind == "index" else f"{kind}-{number}"
    section["keys"][key] = _encoded(given.key if given else secrets.token_bytes(KEY_BYTES))
    _write(plan, kind, content)
    # A process that met data under a key that it does not know yet could not read or find them.
    await asyncio.sleep(settle)
    section["active"] = int(key) if kind == "index" else key
    _write(plan, kind, content)
    await _note(plan, kind, "keys.rotated", _name(kind, key))
    return _name(kind, key)


def _require_settled(kind: Kind, section: Mapping[str, Any]) -> None:
    if len(section["keys"]) > 1:
        others = ", ".join(_name(kind, key) for key in section["keys"] if key != str(section["active"]))
        raise Failed(f"A rotation is under way: {others} still stands.", f"End it first: kehu keys retire {others}")


async def _new_kid(plan: Plan, held: Collection[str], given: Jwk | None) -> str:
    """The name of a new message key: never one that there was, since messages under that may still come."""
    async with _services(plan, (RECEIVER,)) as databases, databases[RECEIVER].begin(read_only=True) as tx:
        used = {row["key_id"] for row in await tx.all(encryption_keys.select())} | set(held)
    if given is not None:
        if given.kid in used:
            raise Failed(f"There is, or was, a key {given.kid}.", "Name the new one otherwise: its kid in the file.")
        return given.kid
    numbers = [int(found[1]) for name in used if (found := re.fullmatch(r"bank-(\d+)", name))]
    return f"bank-{max(numbers, default=0) + 1}"


async def hand_over(plan: Plan, name: str, file: Path | None) -> None:
    """Write a message key for whoever is to send under it, into a file or (None) to the standard output.

    Raises `Failed` when it is no message key, or there is such a file.
    """
    kind, key, content = _found(plan, name)
    if kind != "message":
        raise Failed(f"{name} is no message key.", "Only keys that senders share with Kehu are handed over.")
    Jwk(key, base64.b64decode(content[kind]["keys"][key])).write(file)
    await _note(plan, kind, "keys.handed_over", name)


async def retire(plan: Plan, name: str) -> None:
    """Take a key out of the file for good. Raises `Failed` while it is active or anything stands under it."""
    kind, key, content = _found(plan, name)
    section = content[_section(kind)]
    if key == str(section["active"]):
        what = "is the only one of its kind" if len(section["keys"]) == 1 else "is active"
        raise Failed(f"{name} {what}.", f"Rotate first: kehu keys rotate {kind}")
    async with _services(plan, HOLDERS[kind]) as databases:
        for opened in databases.values():
            await _outlive_transactions(opened)
        left = {table: count for table, count in (await _rows(databases)).get(name, {}).items() if count}
        if left:
            told = ", ".join(f"{count} {_told(table)}" for table, count in left.items())
            raise Failed(f"{name} is still needed by {told}.", _REMEDIES[kind])
        # Asked for no more first: a process that starts in between may have the key and need not.
        for opened in databases.values():
            async with opened.begin() as tx:
                await retire_key(tx, name)
    del section["keys"][key]
    _write(plan, kind, content)
    await _note(plan, kind, "keys.retired", name)


_MOVED: Final = "The workers move them; try again in a moment."
_REMEDIES: Final[Mapping[Kind, str]] = {
    "kek": _MOVED,
    "index": _MOVED,
    "webhook": _MOVED,
    "message": "Settle them first: kehu dead-letters list; parked ones wait for what they belong to.",
}


def _told(table: str) -> str:
    return table if table == WAITING else f"rows of {table}"


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
    """By key and table: how many rows need the key."""
    found: dict[str, dict[str, int]] = {}
    for service, opened in databases.items():
        async with opened.begin(read_only=True) as tx:
            for table, key in KEYED[service].items():
                for row in await _counted(tx, table, key):
                    found.setdefault(row["name"], {})[f"{service}.{table}"] = row["rows"]
            if service == RECEIVER:
                for kid, waiting in (await message_keys.waiting_messages(tx)).items():
                    found.setdefault(kid, {})[WAITING] = waiting.messages
    return found


async def _counted(tx: Transaction, table: str, key: str) -> Any:
    return await tx.connection.fetch(f"SELECT {key} AS name, count(*) AS rows FROM {table} GROUP BY 1")  # noqa: S608


async def _note(plan: Plan, kind: Kind, action: str, name: str) -> None:
    """Leave an audit row in every service that has the keys."""
    async with _services(plan, HOLDERS[kind]) as databases:
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
async def _services(plan: Plan, services: Iterable[str]) -> AsyncIterator[dict[str, Database]]:
    """The databases of the services that keep what is encrypted, as their workers see them: every row."""
    secrets_of = Secrets.load_or_make(plan)
    async with AsyncExitStack() as stack:
        databases = {}
        for service in services:
            dsn = database_dsn(plan, secrets_of, service, "worker")
            try:
                databases[service] = await Database.connect(dsn, schema=service, application_name="kehu-keys")
            except OSError as error:
                raise no_database(error) from error
            stack.push_async_callback(databases[service].close)
        yield databases


def _file(plan: Plan, kind: Kind) -> Path:
    return plan.webhook_key_file if kind == "webhook" else plan.key_file


def _section(kind: Kind) -> str:
    """Where a kind stands in its file: that of the gateway has one section, which wraps."""
    return "kek" if kind == "webhook" else kind


def _read(plan: Plan, kind: Kind) -> dict[str, Any]:
    file = _file(plan, kind)
    try:
        ring = KeyRing.from_file(file)
    except KeyFileError as error:
        raise Failed(str(error), "Put the file back from your copy.") from error
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if kind != "webhook":
        content["message"].setdefault("active", ring.message_keys.active_id)
    return content


def _write(plan: Plan, kind: Kind, content: Mapping[str, Any]) -> None:
    """Replace the file, and what services that do not see it have of it."""
    files = {_file(plan, kind): content}
    if kind == "kek":
        files[plan.complaints_key_file] = wrapping_part(content)
    for file, held in files.items():
        for place in (str(file), *plan.key_copies.get(file.name, [])):
            write_json(Path(place), held)


def _found(plan: Plan, name: str) -> tuple[Kind, str, dict[str, Any]]:
    """A key by its name: its kind, how its file calls it, and the file's content. Raises `Failed` when there is none."""
    for kind in KINDS:
        content = _read(plan, kind)
        for key in content[_section(kind)]["keys"]:
            if _name(kind, key) == name:
                return kind, key, content
    raise Failed(f"There is no key {name}.", "See what there is: kehu keys status")


def _name(kind: Kind, key: str) -> str:
    return f"index-{key}" if kind == "index" else key


def _encoded(key: bytes) -> str:
    return base64.b64encode(key).decode()
