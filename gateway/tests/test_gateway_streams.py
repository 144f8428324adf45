"""The live stream: each caller's own events, none lost and none twice, and nobody who takes more than his share."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from kehu_chassis import server
from kehu_chassis.clock import FixedClock, technical_now
from kehu_chassis.database import Database
from kehu_chassis.testing.events import Deliver
from kehu_chassis.testing.http import TestApp
from kehu_chassis.testing.plugin import Eventually
from kehu_contracts.access import Role
from kehu_contracts.campaign import CampaignStateChanged
from kehu_contracts.codes import Channel, ComplaintAction, ComplaintState, PartyKind, UnitKind
from kehu_contracts.complaint import ComplaintReceived, ComplaintStateChanged
from kehu_contracts.customer import CustomerProfileChanged, CustomerRegistered, OwnershipChanged
from kehu_contracts.organization import StaffChanged, UnitChanged
from kehu_contracts.segment import SegmentPublished
from kehu_gateway.directory.consumers import DIRECTORY
from kehu_gateway.streams import routes as stream_routes
from kehu_gateway.streams import service as streaming
from kehu_gateway.streams.consumers import live_subscription

from .listeners import Heard, Listener, served

LIVE = live_subscription()
OpenGateway = Callable[..., Awaitable[TestApp]]


@pytest.fixture
async def listen() -> AsyncIterator[Listener]:
    async with AsyncExitStack() as stack:
        yield Listener(stack)


@dataclass
class Bank:
    """Two branches of a head office, with a manager and a customer in each."""

    deliver: Deliver
    clock: FixedClock
    head: UUID = field(default_factory=uuid4)
    units: list[UUID] = field(default_factory=lambda: [uuid4(), uuid4()])
    staff: list[UUID] = field(default_factory=lambda: [uuid4(), uuid4()])
    customers: list[UUID] = field(default_factory=lambda: [uuid4(), uuid4()])

    async def open(self) -> None:
        kinds = (UnitKind.HEAD_OFFICE, UnitKind.BRANCH, UnitKind.BRANCH)
        tree = [(self.head, None), *((unit, self.head) for unit in self.units)]
        units = [
            UnitChanged(unit_id=unit, code=str(n), name=str(n), kind=kinds[n], parent_id=parent, active=True)
            for n, (unit, parent) in enumerate(tree)
        ]
        staff = [
            StaffChanged(staff_id=member, staff_number=str(n), unit_id=self.units[n], roles=(), active=True)
            for n, member in enumerate(self.staff)
        ]
        await self.deliver(DIRECTORY, [*units, *staff])

    async def register(self) -> None:
        await self.deliver(LIVE, [self.registered(n) for n in (0, 1)])

    def registered(self, branch: int) -> CustomerRegistered:
        return CustomerRegistered(
            customer_id=self.customers[branch],
            customer_number=f"C{branch}",
            kind=PartyKind.INDIVIDUAL,
            unit_id=self.units[branch],
            registered_at=self.clock.now(),
        )

    def changed(self, branch: int) -> CustomerProfileChanged:
        return CustomerProfileChanged(
            customer_id=self.customers[branch], changed=("employer",), changed_at=self.clock.now()
        )

    def complaint(self, branch: int, customer: UUID | None) -> ComplaintReceived:
        return ComplaintReceived(
            complaint_id=uuid4(),
            complaint_number="CP1",
            customer_id=customer,
            kind="complaint",
            channel=Channel.PHONE,
            category="fees",
            unit_id=self.units[branch],
            received_at=self.clock.now(),
            open=True,
        )


@pytest.fixture
async def bank(deliver: Deliver, clock: FixedClock) -> Bank:
    made = Bank(deliver, clock)
    await made.open()
    return made


@pytest.fixture
def trusting(open_gateway: OpenGateway) -> OpenGateway:
    """Opens gateways that trust the tests' issuer, since theirs knows no such staff."""

    async def opened(**changed: Any) -> TestApp:
        app = await open_gateway(**changed)
        app.runtime.verifier = app.issuer.verifier()
        return app

    return opened


@pytest.fixture
async def gateway(trusting: OpenGateway) -> TestApp:
    return await trusting()


@pytest.fixture
async def address(gateway: TestApp) -> AsyncIterator[str]:
    async with served(gateway) as at:
        yield at


def token(app: TestApp, bank: Bank, branch: int = 0, *roles: Role, expires_in: int = 600) -> str:
    given = roles or (Role.RELATIONSHIP_MANAGER,)
    return app.issuer.token(given, bank.staff[branch], subject=f"rm{branch}", expires_in=expires_in)


async def until(eventually: Eventually, holds: Callable[[], bool]) -> None:
    async def condition() -> bool:
        return holds()

    await eventually(condition)


async def test_each_branch_hears_of_its_own_customers_and_complaints_alone(
    gateway: TestApp, address: str, bank: Bank, listen: Listener, deliver: Deliver, eventually: Eventually
) -> None:
    await bank.register()
    own, foreign = await listen(address, token(gateway, bank, 0)), await listen(address, token(gateway, bank, 1))
    all_seeing = await listen(address, token(gateway, bank, 0, Role.COMPLIANCE))
    blind = await listen(address, token(gateway, bank, 0, Role.OPERATOR))
    await until(eventually, lambda: all(heard.blocks for heard in (own, foreign, all_seeing, blind)))
    # The complaint is handled by branch 1, though the customer is of branch 0: as in the list of complaints.
    complaint = bank.complaint(1, bank.customers[0])
    moved = ComplaintStateChanged(
        complaint_id=complaint.complaint_id,
        complaint_number="CP1",
        customer_id=bank.customers[0],
        action=ComplaintAction.ACCEPT,
        from_state=ComplaintState.RECEIVED,
        to_state=ComplaintState.ACCEPTED,
        changed_at=bank.clock.now(),
        open=True,
    )
    published = SegmentPublished(segment_id=uuid4(), code="vip", rule_version=1, published_at=bank.clock.now())
    await deliver(LIVE, [bank.changed(0), bank.changed(1), complaint, moved, published])
    await until(eventually, lambda: len(all_seeing.events) == 5)
    await until(eventually, lambda: len(foreign.events) == 4 and len(own.events) == 2)
    case, segment = str(complaint.complaint_id), str(published.segment_id)
    assert own.subjects() == [str(bank.customers[0]), segment]
    assert foreign.subjects() == [str(bank.customers[1]), case, case, segment]
    assert all_seeing.subjects() == [str(bank.customers[0]), str(bank.customers[1]), case, case, segment]
    assert blind.events == []
    first = own.events[0]
    assert (first["type"], first["sequence"]) == ("kehu.customer.profile_changed", 2)
    assert first["data"]["changed"] == ["employer"]


async def test_a_campaign_is_heard_of_where_it_belongs_and_an_unknown_subject_by_nobody_of_a_branch(
    gateway: TestApp, address: str, bank: Bank, listen: Listener, deliver: Deliver, eventually: Eventually
) -> None:
    marketers = [await listen(address, token(gateway, bank, branch, Role.MARKETER)) for branch in (0, 1)]
    auditor = await listen(address, token(gateway, bank, 0, Role.AUDITOR))
    await until(eventually, lambda: all(heard.blocks for heard in (*marketers, auditor)))

    def moved(unit: UUID | None) -> CampaignStateChanged:
        return CampaignStateChanged(
            campaign_id=uuid4(), code="A", from_state=None, to_state="draft", changed_at=bank.clock.now(), unit_id=unit
        )

    of_first, of_nobody = moved(bank.units[0]), moved(None)
    await deliver(LIVE, [of_nobody, of_first])
    await until(eventually, lambda: len(auditor.events) == 2 and len(marketers[0].events) == 1)
    assert marketers[0].subjects() == [str(of_first.campaign_id)]
    assert marketers[1].events == []


async def test_row_level_security_alone_keeps_a_stream_to_its_branch(
    gateway: TestApp, address: str, bank: Bank, listen: Listener, deliver: Deliver, eventually: Eventually
) -> None:
    gateway.runtime.database.without_first_lock()
    await bank.register()
    own = await listen(address, token(gateway, bank, 0))
    await until(eventually, lambda: bool(own.blocks))
    await deliver(LIVE, [bank.changed(1), bank.changed(0)])
    await until(eventually, lambda: bool(own.events))
    assert own.subjects() == [str(bank.customers[0])]


async def test_a_stream_goes_on_in_another_process_without_loss_or_repeat(
    trusting: OpenGateway, bank: Bank, listen: Listener, deliver: Deliver, eventually: Eventually
) -> None:
    first, second = await trusting(), await trusting()
    await bank.register()
    changes = [bank.changed(n % 2) for n in range(900)]
    async with served(first) as address:
        heard = await listen(address, token(first, bank))
        await until(eventually, lambda: bool(heard.blocks))
        await deliver(LIVE, changes[:300])
        await until(eventually, lambda: len(heard.events) >= 100)
        seen, last = heard.events, heard.last_id
        # What reaches the reader after the last id that he noted comes again: the id is what he goes by.
        seen = seen[: [event["id"] for event in seen].index(_event_of(heard, last)) + 1]
    await deliver(LIVE, changes[300:600])
    async with served(second) as address:
        again = await listen(address, token(second, bank), last)
        await until(eventually, lambda: bool(again.blocks))
        await deliver(LIVE, changes[600:])
        await until(eventually, lambda: len(seen) + len(again.events) >= 450)
        sequences = [event["sequence"] for event in (*seen, *again.events)]
    assert sequences == list(range(2, 452))
    assert not any("event" in block for block in again.blocks)


def _event_of(heard: Heard, last: str) -> str:
    [block] = [block for block in heard.blocks if block.get("id") == last and "data" in block]
    return str(json.loads(block["data"])["id"])


@pytest.mark.parametrize("given", ["1-00000000", "999999999-00000000", "nonsense", "-1", "1"])
async def test_a_place_that_is_no_longer_kept_is_told_so(
    given: str, gateway: TestApp, address: str, bank: Bank, listen: Listener, eventually: Eventually
) -> None:
    await bank.register()
    heard = await listen(address, token(gateway, bank), given)
    await until(eventually, lambda: bool(heard.blocks))
    assert heard.blocks[0]["event"] == "reset"
    assert heard.events == []


async def test_what_has_had_its_time_is_forgotten_and_an_idle_reader_keeps_his_place(
    gateway: TestApp,
    address: str,
    bank: Bank,
    listen: Listener,
    deliver: Deliver,
    eventually: Eventually,
    worker_database: Database,
) -> None:
    await bank.register()
    early = await listen(address, token(gateway, bank))
    await until(eventually, lambda: bool(early.blocks))
    await deliver(LIVE, [bank.changed(0), bank.changed(1)])
    await until(eventually, lambda: bool(early.events))
    await until(eventually, lambda: gateway.runtime.resources.feed.newest.position >= 4)
    idle = gateway.runtime.resources.feed.newest
    await streaming.forget_old(gateway.runtime.database, timedelta(0))
    async with worker_database.begin() as tx:
        assert await tx.connection.fetchval("SELECT count(*) FROM live_events") == 1
    kept = await listen(address, token(gateway, bank), f"{idle.position}-{idle.mark}")
    lost = await listen(address, token(gateway, bank), early.blocks[0]["id"])
    await until(eventually, lambda: bool(kept.blocks) and bool(lost.blocks))
    assert "event" not in kept.blocks[0]
    assert lost.blocks[0]["event"] == "reset"


async def test_what_happened_before_the_gateway_was_there_is_no_news(
    bank: Bank, deliver: Deliver, worker_database: Database
) -> None:
    long_ago = technical_now() - timedelta(days=2)
    old = UUID(int=(int(long_ago.timestamp() * 1000) << 80) | (7 << 76) | (2 << 62))
    await deliver(LIVE, [deliver.message(bank.registered(0), id=old), bank.registered(1)])
    async with worker_database.begin() as tx:
        subjects = [row["subject"] for row in await tx.connection.fetch("SELECT subject FROM live_events")]
    assert subjects == [str(bank.customers[1])]


async def test_a_stream_ends_when_the_token_expires(
    gateway: TestApp,
    address: str,
    bank: Bank,
    listen: Listener,
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streaming, "HEARTBEAT", 0.1)
    heard = await listen(address, token(gateway, bank, expires_in=600))
    await until(eventually, lambda: len(heard.blocks) > 1)
    assert not heard.ended
    monkeypatch.setattr(streaming, "technical_now", lambda: technical_now() + timedelta(seconds=600))
    await until(eventually, lambda: heard.ended and gateway.runtime.resources.places._taken.total() == 0)


async def test_a_stream_without_news_shows_that_it_lives_and_where_it_is(
    gateway: TestApp,
    address: str,
    bank: Bank,
    listen: Listener,
    deliver: Deliver,
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streaming, "HEARTBEAT", 0.1)
    await bank.register()
    heard = await listen(address, token(gateway, bank))
    await until(eventually, lambda: bool(heard.blocks))
    await deliver(LIVE, [bank.changed(1)])
    await until(eventually, lambda: heard.blocks[-1]["id"] != heard.blocks[0]["id"])
    assert heard.events == []


async def test_a_flood_of_streams_is_refused_and_others_are_served(
    trusting: OpenGateway, bank: Bank, listen: Listener, eventually: Eventually
) -> None:
    gateway = await trusting(streams_of_caller=2, streams=3)
    async with served(gateway) as address:
        opened = [await listen(address, token(gateway, bank)) for _ in range(2)]
        refused = await listen(address, token(gateway, bank))
        assert refused.response.status_code == 429
        assert refused.response.json()["code"] == "stream.too_many"
        assert refused.response.headers["Retry-After"] == "30"
        other = await listen(address, token(gateway, bank, 1))
        assert other.response.status_code == 200
        full = await listen(address, gateway.issuer.token([Role.AUDITOR], subject="auditor"))
        assert (full.response.status_code, full.response.json()["code"]) == (503, "service.unavailable")
        await opened[0].response.aclose()

        async def is_free() -> bool:
            return (await listen(address, token(gateway, bank))).response.status_code == 200

        await eventually(is_free)


@pytest.mark.parametrize("by", ["the stream", "the server"])
async def test_a_reader_who_does_not_read_is_cut_off(
    by: str,
    gateway: TestApp,
    address: str,
    bank: Bank,
    deliver: Deliver,
    eventually: Eventually,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if by == "the stream":
        monkeypatch.setattr(stream_routes, "SEND_WITHIN", 0.2)
    else:
        monkeypatch.setattr(server._GuardedProtocol, "unread_timeout", 0.2)
    await bank.register()
    host, _, port = address.removeprefix("http://").partition(":")
    connection = socket.socket()
    # The less the kernel takes for him, the sooner it shows that he does not read.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect((host, int(port)))
    connection.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=connection, limit=1)
    request = f"GET /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token(gateway, bank)}\r\n\r\n"
    writer.write(request.encode())
    places = gateway.runtime.resources.places
    await until(eventually, lambda: places._taken.total() == 1)
    wide = [
        OwnershipChanged(
            customer_id=bank.customers[0],
            unit_id=bank.units[0],
            primary_rm_id=bank.staff[0],
            effective_from=bank.clock.now(),
        )
    ] * 200

    async def is_cut() -> bool:
        if places._taken.total():
            await deliver(LIVE, wide)
        return not places._taken.total()

    await eventually(is_cut)
    # The connection is closed, not left to him: what was on its way is all that he will ever read.
    async with asyncio.timeout(30):
        with suppress(ConnectionResetError):
            while await reader.read(2**16):
                pass
    writer.close()


async def test_nobody_listens_without_a_token(gateway: TestApp, address: str, bank: Bank, listen: Listener) -> None:
    assert (await listen(address, "no.token.atall")).response.status_code == 401
    expired = token(gateway, bank, expires_in=-60)
    assert (await listen(address, expired)).response.status_code == 401
    assert gateway.runtime.resources.places._taken.total() == 0
