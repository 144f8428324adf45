"""Load the demo bank into a suite that runs: two years, played through the inbound topics and the HTTP API."""

from __future__ import annotations

import asyncio
import json
from bisect import bisect_right
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from kehu_chassis.clock import SuiteClock, technical_now
from kehu_chassis.crypto import KeyRing
from kehu_contracts.bank import BankParty
from kehu_contracts.codes import CustomerStatus
from kehu_local import clock
from kehu_local.api import token_of_user
from kehu_local.bank import BankDoor, seal_identity
from kehu_local.demo.actors import Actors
from kehu_local.demo.campaigns import CAMPAIGN_DAYS, SEGMENTS_DAY, publish_segments, run_campaigns
from kehu_local.demo.complaints import ComplaintBook
from kehu_local.demo.holdings import Fact, holdings, openings
from kehu_local.demo.organisation import SOURCE, STAFF, UNITS
from kehu_local.demo.people import DAYS, DemoParty, parties
from kehu_local.demo.progress import Progress
from kehu_local.demo.stage import Stage
from kehu_local.plan import Plan, write_json

__all__ = ["load"]

_QUARTERS: Final = (120, 240, 360, 480, 570, SEGMENTS_DAY)


def load(plan: Plan) -> None:
    """Play the demo bank's two years, then let the clock show the real time. An attempt that broke off is gone on with."""
    asyncio.run(_load(plan))


async def _load(plan: Plan) -> None:
    base = _base(plan)
    today = datetime.fromisoformat(base["today"]).date()
    people = parties(today)
    progress = Progress()
    async with (
        Stage(plan, today, token_of_user(plan, "operator")) as stage,
        Actors(plan, str(base["run"])) as actors,
        BankDoor(plan.kafka_bootstrap) as bank,
    ):
        await stage.open()
        await _Play(plan, people, stage, actors, bank, progress, today).run()
    _show_real_time(plan, base)
    progress.done()


def _base(plan: Plan) -> dict[str, str]:
    """When the played past ends: fixed at the first attempt, so that another one plays the same."""
    path = plan.run / "demo-base.json"
    if not path.exists():
        now = SuiteClock(plan.clock_file).now()
        write_json(
            path,
            {
                "today": (now + timedelta(hours=8)).date().isoformat(),
                "run": now.isoformat(timespec="seconds"),
                "ahead": (now - technical_now()).total_seconds() if plan.clock_file.exists() else 0,
                "set": plan.clock_file.exists(),
            },
        )
    content: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _show_real_time(plan: Plan, base: dict[str, str]) -> None:
    """Go on to the moment at which the suite was started, which is the machine's time unless another was chosen."""
    now = technical_now() + timedelta(seconds=float(base["ahead"]))
    clock.set_forward(plan.clock_file, max(now, SuiteClock(plan.clock_file).now()))
    if not base["set"]:
        plan.clock_file.unlink()


class _Play:
    """The play, act by act."""

    def __init__(  # noqa: PLR0913, PLR0917  The stage and all who stand on it.
        self,
        plan: Plan,
        people: Sequence[DemoParty],
        stage: Stage,
        actors: Actors,
        bank: BankDoor,
        progress: Progress,
        today: date,
    ) -> None:
        self._people = people
        self._stage = stage
        self._actors = actors
        self._bank = bank
        self._progress = progress
        self._today = today
        self._kid, self._key = KeyRing.from_file(plan.key_file).message_keys.active

    async def run(self) -> None:
        """Two years, from the first customer to this morning."""
        # Made up while the suite takes the customers in.
        made = asyncio.create_task(asyncio.to_thread(holdings, self._people, self._today))
        self._book = ComplaintBook(self._actors, self._people)
        with self._progress.step("Units and staff"):
            at = self._stage.instant(0, 9)
            for statement in (*UNITS, *STAFF):
                await self._bank.send(statement, at=at, sequence=1)
            await self._bank.flush()
        with self._progress.step(f"{len(self._people):,} customers"):
            await self._join(-1, 0)
            await self._stage.settle()
        with self._progress.step("Consents"):
            await self._consent()
        with self._progress.step("Accounts and movements made up"):
            facts = await made
            self._accounts = sorted([*facts.accounts, *openings(self._people, self._today)], key=lambda fact: fact.day)
            self._movements = facts.transactions
        await self._years()
        await self._last_weeks()

    async def _years(self) -> None:
        since = -1
        with self._progress.bar("Accounts and movements", len(self._accounts) + len(self._movements)) as bar:
            for until in _QUARTERS:
                await self._stage.go_to(until)
                await self._join(max(since, 0), until)
                bar(await self._state(since, until))
                since = until
            await self._stage.settle()
        self._stated = since

    async def _last_weeks(self) -> None:
        with self._progress.step("Segments"):
            segments = await publish_segments(self._actors)
            await self._stage.settle()
        days = sorted({*self._book.days(), *CAMPAIGN_DAYS, DAYS - 30, DAYS - 8})
        with self._progress.bar("Complaints, campaigns, the last weeks", len(days)) as bar:
            for day in (day for day in days if day >= SEGMENTS_DAY):
                await self._stage.go_to(day)
                await self._state(self._stated, day)
                self._stated = day
                await self._book.live(day)
                if day in CAMPAIGN_DAYS:
                    await self._stage.settle()
                    await run_campaigns(self._actors, self._stage, segments, day)
                    await self._stage.settle()
                bar(1)
            await self._stage.go_to(DAYS - 1, 20)
            await self._state(self._stated, DAYS)
            await self._stage.settle()

    async def _join(self, since: int, until: int) -> None:
        """State the customers who joined after a day. One partition: so their numbers are the same every time."""
        for party in self._people:
            if since < party.joined <= until:
                statement = self._statement(party)
                at = self._stage.instant(party.joined, 9)
                await self._bank.send(statement, at=at, sequence=1, partition=0)
        await self._bank.flush()

    def _statement(self, party: DemoParty) -> BankParty:
        return BankParty(
            source=SOURCE,
            source_id=party.source_id,
            kind=party.kind,
            gender=party.gender,
            status=party.status,
            nationality="CN",
            industry=party.industry,
            occupation=party.occupation,
            customer_since=party.customer_since,
            unit_code=party.unit_code,
            rm_staff_number=party.rm_staff_number,
            identity=seal_identity(party.identity, self._key, self._kid),
        )

    async def _state(self, since: int, until: int) -> int:
        """State what the core knows of the days after one and until another."""
        accounts = _between(self._accounts, since, until)
        movements = _between(self._movements, since, until)
        for fact in (*accounts, *movements):
            await self._send(fact)
        await self._bank.flush()
        return len(accounts) + len(movements)

    async def _send(self, fact: Fact) -> None:
        await self._bank.send(fact.statement, at=fact.at, sequence=fact.sequence, key=fact.key)

    async def _consent(self) -> None:
        """One in four customers agrees to be told of offers by SMS, some in the app too; a few took it back."""
        asked = [
            party
            for number, party in enumerate(self._people)
            if party.joined == 0 and party.status is CustomerStatus.ACTIVE and number % 4 == 0
        ]
        await self._actors.meet_customers()
        ids = [self._actors.customer(party.source_id) for party in asked]
        posts = []
        for number, customer_id in enumerate(ids):
            posts.append(self._agree(customer_id, "sms", "granted"))
            if number % 5 == 0:
                posts.append(self._agree(customer_id, "push", "granted"))
        await asyncio.gather(*posts)
        await asyncio.gather(*(self._agree(customer_id, "sms", "withdrawn") for customer_id in ids[::29]))

    async def _agree(self, customer_id: UUID, channel: str, status: str) -> None:
        await self._actors.post(
            "mobile-bank",
            f"/customers/{customer_id}/consents",
            {
                "purpose": "marketing",
                "channel": channel,
                "status": status,
                "notice_version": "2024-01",
                "proof": "app consent screen",
            },
            key=f"consent-{customer_id}-{channel}-{status}",
        )


def _between(facts: Sequence[Fact], since: int, until: int) -> Sequence[Fact]:
    """The facts of the days after one and until another, of facts in the order of their days."""

    def by_day(fact: Fact) -> int:
        return fact.day

    return facts[bisect_right(facts, since, key=by_day) : bisect_right(facts, until, key=by_day)]
