"""Three hundred people pass through a whole suite, and nothing that it keeps or tells has any of them in clear."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from kehu_contracts.codes import PartyKind
from kehu_local.demo.organisation import STAFF
from kehu_local.demo.people import DemoParty, parties
from kehu_local.plan import Plan
from kehu_local.secrets import Secrets

from ..browser.bank import Desk, campaign, eventually, segment, tell  # noqa: TID252  no installed package holds the world of the tests
from .suites import a_suite
from .traces_of_people import find, gather, told_of

pytestmark = [pytest.mark.slow, pytest.mark.personal]
PEOPLE: Final = 300
WORKED_ON: Final = 20


@pytest.fixture(scope="module")
def plan() -> Iterator[Plan]:
    """A suite of its own, empty, that traces every request."""
    with a_suite("--no-demo", traced="1", until="are ready") as started:
        yield started


async def _registered(desk: Desk, people: list[DemoParty]) -> list[dict[str, Any]]:
    async def everybody() -> list[dict[str, Any]] | None:
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = await desk.ask("compliance", "GET", f"/customers?limit=200{cursor}")
            if page is None:
                return None
            found += page["items"]
            if page["next_cursor"] is None:
                return found if len(found) == len(people) else None
            cursor = f"&cursor={page['next_cursor']}"

    result: list[dict[str, Any]] = await eventually(everybody, "everybody in the list")
    return result


async def _search(desk: Desk, customers: list[dict[str, Any]], people: list[DemoParty]) -> None:
    for customer, person in zip(customers, people, strict=True):
        identity, path = person.identity, f"/customers/{customer['id']}"
        await desk.ask("compliance", "GET", f"/customers?q={identity.name}")
        for contact in identity.contacts:
            await desk.ask("compliance", "POST", "/customers/lookups", {"type": contact.type, "value": contact.value})
        for document in identity.documents:
            wanted = {"type": "document", "value": document.number}
            assert await desk.ask("compliance", "POST", "/customers/lookups", wanted) is not None
        reveal = {"fields": ["name"], "reason": "asked by phone"}
        assert await desk.ask("compliance", "POST", f"{path}/reveals", reveal) is not None
        assert await desk.ask("compliance", "GET", f"{path}/overview") is not None


async def _complain(desk: Desk, people: list[DemoParty]) -> None:
    reached = (await desk.ask("head", "GET", f"/customers?limit={WORKED_ON}"))["items"]
    for customer, person in zip(reached, people, strict=True):
        narrative = f"{'、'.join(told_of(person.identity))}：来电称被重复收费。"
        case = {"kind": "complaint", "channel": "phone", "category": "fees", "customer_id": customer["id"]}
        await desk.insist("head", "/complaints", {**case, "narrative": narrative})
        # What is refused is not told again either.
        assert await desk.ask("head", "POST", "/complaints", {**case, "category": narrative, "narrative": "…"}) is None


async def _write_to_people(desk: Desk) -> None:
    consent = {"purpose": "marketing", "channel": "sms", "status": "granted", "notice_version": "1", "proof": "form 1"}
    for customer in (await desk.ask("head", "GET", f"/customers?limit={WORKED_ON}"))["items"]:
        assert await desk.ask("head", "POST", f"/customers/{customer['id']}/consents", consent) is not None
    campaign_id = await campaign(desk, await segment(desk, PEOPLE))
    await desk.insist("compliance", f"/campaigns/{campaign_id}/approvals")

    async def decided() -> Any:
        found = await desk.ask("marketer", "GET", f"/campaigns/{campaign_id}/decisions")
        return found is not None and found["items"]

    await eventually(decided, "the campaign's decisions")


async def _work(desk: Desk, people: list[DemoParty]) -> None:
    """What clerks do all day with what identifies people: search, reveal, complain, merge, write to them."""
    customers = await _registered(desk, people)
    await _search(desk, customers[:WORKED_ON], people[:WORKED_ON])
    await _complain(desk, people[:WORKED_ON])
    await _write_to_people(desk)
    merge = {"customer_id": customers[0]["id"], "survivor_id": customers[1]["id"], "reason": "same person"}
    await desk.ask("compliance", "POST", "/merges", merge)
    wrong = {
        "kind": "individual",
        "name": people[0].identity.name,
        "documents": [{"type": "resident_id", "number": "1"}],
    }
    assert await desk.ask("rm", "POST", "/customers", wrong) is None


async def test_nobody_stands_in_clear_in_tables_topics_logs_or_traces(plan: Plan, tmp_path: Path) -> None:
    people = [party for party in parties(datetime.now(UTC).date()) if party.kind is PartyKind.INDIVIDUAL][:PEOPLE]
    await tell(plan, people)
    desk = Desk(plan)
    try:
        await _work(desk, people)
    finally:
        await desk.close()
    folder = tmp_path / "gathered"
    counts = await gather(plan, folder)
    assert counts["bank.party.v1"] == PEOPLE
    assert counts["kehu.customer.v1"] > PEOPLE

    # The names of the bank's own staff are shown to colleagues and stand in clear: see docs/security.md.
    staff = {member.name for member in STAFF}
    values = {value for person in people for value in told_of(person.identity) if value not in staff}
    assert len(values) > 3 * PEOPLE
    assert await find(values, folder) == {}

    # The search finds what is there: people whom we put there ourselves, in each form.
    assert b"trace.span" in b"".join(log.read_bytes() for log in (folder / "logs").iterdir())
    await asyncio.to_thread(_plant, folder, sorted(values)[:2])
    assert await find(values, folder) == {value: {"logs/planted"} for value in sorted(values)[:2]}


def _plant(folder: Path, values: list[str]) -> None:
    first, second = values
    (folder / "logs" / "planted").write_bytes(
        base64.b64encode(f"x{first}y".encode()) + b"\n" + second.encode().hex().encode()
    )


def test_no_secret_of_the_suite_stands_in_the_process_list(plan: Plan) -> None:
    made = Secrets.load_or_make(plan)
    passwords = [made.superuser, made.session_key, *(word for roles in made.roles.values() for word in roles.values())]
    files = [*plan.client_secrets.iterdir(), plan.issuer_key_file]
    secrets = [word.encode() for word in passwords] + [file.read_bytes().strip() for file in files]
    processes = list(Path("/proc").glob("[0-9]*/cmdline"))
    commands = b"\n".join(_read(process) for process in processes)
    assert str(plan.data).encode() in commands
    assert not any(secret in commands for secret in secrets)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        # It has ended since it was listed.
        return b""
