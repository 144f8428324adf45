"""The work of running campaigns, slice by slice: decide, hand in, report, wind up.

Each is a timer of the service, so it survives restarts and follows the suite's clock. What asks the customer service
does so before its transaction begins; what it learned is used under the locks of that transaction, which checks all the
rest anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog

from kehu_campaigns.audience import queries as audience
from kehu_campaigns.delivery import queries, service
from kehu_campaigns.delivery.channels import REPORT, ChannelAdapter
from kehu_campaigns.delivery.resolver import ContactResolver, ResolverUnavailable
from kehu_campaigns.gate import service as gate
from kehu_campaigns.gate.policy import GatePolicy
from kehu_campaigns.gate.service import Ask, Resolution
from kehu_campaigns.plans import service as plans
from kehu_campaigns.plans.rules import CampaignState
from kehu_chassis import timers
from kehu_chassis.clock import Clock
from kehu_chassis.database import Database, Transaction
from kehu_chassis.scope import EVERYTHING
from kehu_chassis.timers import PreparedTimer, TimerHandler
from kehu_contracts.codes import Channel, Purpose

__all__ = ["SEND", "CampaignJobs"]

SEND: Final = "campaign.send"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Answers:
    """What was learned before the transaction; `complete` is False when the customer service did not answer."""

    complete: bool
    by_party: dict[UUID, Resolution] = field(default_factory=dict)
    message_ids: tuple[UUID, ...] = ()
    withdrawn: dict[UUID, str] = field(default_factory=dict)


class CampaignJobs:
    """Handlers of the timers of this service."""

    def __init__(  # noqa: PLR0913  Each is something that a test replaces.
        self,
        database: Database,
        clock: Clock,
        resolver: ContactResolver,
        channel: ChannelAdapter,
        policy: GatePolicy,
        *,
        slice_size: int,
        retry: timedelta,
    ) -> None:
        self._database = database
        self._clock = clock
        self._resolver = resolver
        self._channel = channel
        self._policy = policy
        self._slice = slice_size
        self._retry = retry

    def timers(self) -> dict[str, TimerHandler | PreparedTimer]:
        """Every kind of timer with its handler."""
        return {
            plans.DECIDE: PreparedTimer(self.ask_before_deciding, self.decide),
            plans.END: self.end,
            plans.WIND_UP: self.wind_up,
            SEND: PreparedTimer(self.hand_in, self.note_handed_in),
            REPORT: self.report,
        }

    async def ask_before_deciding(self, due_at: datetime, key: str, _: dict[str, Any]) -> _Answers:
        """Resolve the next members about whom nothing can be decided otherwise."""
        campaign_id = UUID(key)
        async with self._database.begin(scope=EVERYTHING, read_only=True) as tx:
            campaign = await queries.campaign_of(tx, campaign_id)
            ask = Ask.of_campaign(campaign)
            due = await audience.due_members(tx, campaign_id, now=due_at, limit=self._slice)
            asked = await gate.who_needs_resolution(tx, ask, due, policy=self._policy, now=due_at)
        return await self._resolve(ask.purpose, ask.channel, asked)

    async def decide(self, tx: Transaction, due_at: datetime, key: str, _: dict[str, Any], learned: _Answers) -> None:
        """Decide about the next members and queue the messages of those who are allowed."""
        campaign_id = UUID(key)
        campaign = await queries.campaign_of(tx, campaign_id)
        if campaign["state"] != CampaignState.RUNNING:
            return
        due = await audience.due_members(tx, campaign_id, now=due_at, limit=self._slice)
        decided = await gate.decide_members(
            tx, Ask.of_campaign(campaign), due, answers=learned.by_party, policy=self._policy, now=due_at
        )
        if await service.queue_messages(tx, campaign, decided, now=due_at):
            await timers.schedule(tx, due_at=due_at, kind=SEND, key=key)
        waiting, held_back_until = await audience.next_deferral(tx, campaign_id)
        if waiting:
            again = held_back_until or self._again(due_at, progress=learned.complete)
            await timers.schedule(tx, due_at=max(due_at, again), kind=plans.DECIDE, key=key)

    async def hand_in(self, due_at: datetime, key: str, _: dict[str, Any]) -> _Answers:
        """Resolve the addresses of queued messages and hand the messages to the channel.

        The channel takes a message once, whatever happens after this: the same call after a crash changes nothing.
        """
        async with self._database.begin(scope=EVERYTHING, read_only=True) as tx:
            campaign = await queries.campaign_of(tx, UUID(key))
            waiting = await service.queued_messages(tx, campaign["id"], limit=self._slice)
        asked = sorted({row["survivor_id"] for row in waiting})
        learned = await self._resolve(Purpose(campaign["purpose"]), Channel(campaign["channel"]), asked)
        ready, withdrawn = service.outbound(campaign, waiting, learned.by_party)
        if ready:
            await self._channel.send(ready, at=due_at)
        return _Answers(
            complete=learned.complete, message_ids=tuple(message.message_id for message in ready), withdrawn=withdrawn
        )

    async def note_handed_in(
        self, tx: Transaction, due_at: datetime, key: str, _: dict[str, Any], learned: _Answers
    ) -> None:
        """Note which messages the channel took, and go on while there are more."""
        await service.mark_handed_in(tx, learned.message_ids, learned.withdrawn, now=due_at)
        if await service.queued_messages(tx, UUID(key), limit=1):
            await timers.schedule(tx, due_at=self._again(due_at, progress=learned.complete), kind=SEND, key=key)

    async def report(self, tx: Transaction, due_at: datetime, key: str, _: dict[str, Any]) -> None:
        """Take the simulator's reports on one batch of messages that are due."""
        reports, later = await service.take_reports(tx, UUID(key), until=due_at)
        await service.report(tx, reports)
        if later is not None:
            await timers.schedule(tx, due_at=later, kind=REPORT, key=key)

    async def end(self, tx: Transaction, due_at: datetime, key: str, _: dict[str, Any]) -> None:
        """Finish a campaign whose period is over."""
        campaign = await queries.campaign_of(tx, UUID(key), lock=True)
        if campaign["state"] == CampaignState.RUNNING:
            await plans.finish(tx, campaign, now=due_at)

    async def wind_up(self, tx: Transaction, due_at: datetime, key: str, _: dict[str, Any]) -> None:
        """Give the members that are still undecided at the end their decision."""
        campaign = await queries.campaign_of(tx, UUID(key))
        if await gate.close_undecided(tx, Ask.of_campaign(campaign), limit=self._slice, now=due_at):
            await timers.schedule(tx, due_at=due_at, kind=plans.WIND_UP, key=key)

    async def _resolve(self, purpose: Purpose, channel: Channel, asked: list[UUID]) -> _Answers:
        if not asked:
            return _Answers(complete=True)
        try:
            found = await self._resolver.resolve(purpose=purpose, channel=channel, customer_ids=asked)
        except ResolverUnavailable as error:
            log.warning("campaign.contacts_unresolved", cause=str(error), customers=len(asked))
            return _Answers(complete=False)
        # Whom it does not answer about was merged a moment ago: that will be heard of here, too.
        return _Answers(complete=found.keys() >= set(asked), by_party=dict(found))

    def _again(self, due_at: datetime, *, progress: bool) -> datetime:
        # Without an answer it is asked again later in the bank's present, however far in the past the timer was due.
        return due_at if progress else max(due_at, self._clock.now()) + self._retry
