"""The demo bank's complaints: every state there is, most of them long settled."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from kehu_contracts.codes import CustomerStatus
from kehu_local.demo.actors import Actors
from kehu_local.demo.people import DAYS, DemoParty

__all__ = ["FIRST_DAY", "ComplaintBook"]

FIRST_DAY: Final = DAYS - 75

_STOPS: Final = tuple(DAYS - ago for ago in (70, 60, 50, 40, 30, 19, 8, 6))
"""The days on which the clock stops before the last six, on each of which it does: each stop costs seconds."""

_STEPS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "accept": ("acceptances", {}),
    "reject": ("rejections", {"note": "经核实为业务咨询，已答复客户。"}),
    "investigate": ("investigations", {}),
    "extend": ("extensions", {"code": "complex", "reason": "涉及多家机构，需调取历史凭证。"}),
    "pause": ("pauses", {"basis": "external_appraisal", "note": "等待第三方鉴定结果。"}),
    "resume": ("resumptions", {}),
    "decide": ("decisions", {"outcome": "upheld", "note": "我行确有不当，予以纠正。"}),
    "deny": ("decisions", {"outcome": "not_upheld", "note": "经调查未发现违规。"}),
    "notify": ("notifications", {"channel": "phone"}),
    "request_review": ("review-requests", {"note": "对处理结果不满意。"}),
    "conclude_review": ("review-conclusions", {"outcome": "confirmed"}),
    "close": ("closures", {}),
    "withdraw": ("withdrawals", {"note": "客户自愿撤回。"}),
    "reopen": ("reopenings", {"note": "客户补充了新的凭证。"}),
}

_SETTLED: Final = ("accept", "investigate", "decide", "notify", "close")
_LIVES: Final[tuple[tuple[int, int, tuple[str, ...]], ...]] = (
    # How many, how many days before today the first came in, what was done; a day or more lies between two steps.
    (34, 75, _SETTLED),
    (8, 60, ("accept", "investigate", "deny", "notify", "close")),
    (3, 55, ("accept", "investigate", "deny", "notify", "request_review", "conclude_review")),
    (4, 40, ("reject",)),
    (4, 30, ("accept", "withdraw")),
    (2, 24, (*_SETTLED, "reopen")),
    (3, 12, ("accept", "investigate", "decide", "notify")),
    (2, 14, ("accept", "investigate", "deny", "notify", "request_review")),
    (3, 8, ("accept", "investigate", "decide")),
    (2, 9, ("accept", "investigate", "pause")),
    (2, 28, ("accept", "investigate", "extend")),
    (5, 6, ("accept", "investigate")),
    # Nobody has looked after this one: its clock has run out.
    (1, 24, ("accept",)),
    (4, 3, ("accept",)),
    (9, 2, ()),
)
_WORDS: Final = (
    ("fees", "账户管理费收取未事先告知，要求退还。"),
    ("service_attitude", "柜台排队超过一小时，工作人员态度生硬。"),
    ("facilities_systems", "手机银行多次转账失败，影响使用。"),
    ("marketing", "未经同意多次接到推销电话。"),
    ("disclosure", "理财产品风险没有讲清楚。"),
    ("fund_safety", "账户出现一笔本人未操作的支出。"),
    ("contract_terms", "提前还款违约金与合同约定不符。"),
    ("returns", "产品到期收益低于宣传材料所列。"),
)
_CHANNELS: Final = ("phone", "counter", "wechat", "email")


@dataclass(frozen=True, slots=True)
class _Step:
    day: int
    complaint: int
    action: str


class ComplaintBook:
    """Files complaints and carries each through its life, a day at a time."""

    def __init__(self, actors: Actors, people: Sequence[DemoParty]) -> None:
        random = Random("kehu-demo/complaints")  # noqa: S311  Play money.
        lives = [(ago, steps) for number, ago, steps in _LIVES for ago in _spread(random, number, ago, len(steps))]
        # The log-ins of the demo bank handle Beijing's cases; what just came in may be anybody's.
        beijing = [
            party
            for party in people
            if party.unit_code.startswith("BJ") and party.status is CustomerStatus.ACTIVE and party.joined == 0
        ]
        self._actors = actors
        self._whose = random.sample(beijing, len(lives))
        self._words = [random.choice(_WORDS) for _ in lives]
        self._channels = [random.choice(_CHANNELS) for _ in lives]
        self._ids: dict[int, str] = {}
        self._steps = sorted(_schedule(lives), key=lambda step: (step.day, step.complaint))

    def days(self) -> list[int]:
        """The days of the played past on which something happens."""
        return sorted({step.day for step in self._steps})

    async def live(self, day: int) -> int:
        """Do what falls on a day, and tell how much it was.

        Cases come in one after the other, so that they get the same numbers every time; each then goes its own way.
        """
        due = [step for step in self._steps if step.day == day]
        ways: dict[int, list[_Step]] = defaultdict(list)
        for step in due:
            if step.action == "receive":
                await self._receive(step.complaint)
            else:
                ways[step.complaint].append(step)
        await asyncio.gather(*(self._go(steps) for steps in ways.values()))
        return len(due)

    async def _go(self, steps: Sequence[_Step]) -> None:
        for step in steps:
            path, body = _STEPS[step.action]
            await self._actors.post(
                "handler",
                f"/complaints/{self._ids[step.complaint]}/{path}",
                body,
                key=f"complaint-{step.complaint}-{step.day}-{step.action}",
            )

    async def _receive(self, number: int) -> None:
        category, narrative = self._words[number]
        customer_id = self._actors.customer(self._whose[number].source_id)
        complaint = await self._actors.post(
            "handler",
            "/complaints",
            {
                "kind": "complaint",
                "channel": self._channels[number],
                "category": category,
                "customer_id": str(customer_id),
                "narrative": narrative,
            },
            key=f"complaint-{number}",
        )
        self._ids[number] = complaint["complaint_id"]


def _spread(random: Random, number: int, ago: int, steps: int) -> list[int]:
    """Days before today on which so many came in: from `ago` on, early enough for what is done with each."""
    latest = max(1, min(ago, steps + 1))
    return [random.randint(latest, max(latest, ago)) if ago > 30 else ago for _ in range(number)]


def _schedule(lives: Sequence[tuple[int, tuple[str, ...]]]) -> list[_Step]:
    steps = []
    for number, (ago, actions) in enumerate(lives):
        first = DAYS - ago
        steps.append(_Step(_played(first), number, "receive"))
        gap = max(1, min(3, (ago - 1) // max(1, len(actions))))
        steps += [
            _Step(_played(min(DAYS - 1, first + gap * order)), number, action)
            for order, action in enumerate(actions, 1)
        ]
    return steps


def _played(day: int) -> int:
    """The next day on which the clock stops."""
    return day if day >= DAYS - 6 else next(stop for stop in _STOPS if day <= stop)
