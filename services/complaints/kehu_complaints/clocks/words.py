"""A clock in words: what stands on the screen beside a case, in the languages of the console."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from kehu_complaints.clocks.model import Pack, Unit
from kehu_complaints.clocks.rules import Clock, Deadline, Offer, Status, is_overdue

__all__ = ["describe", "describe_offer"]

_PROVISIONAL: Final = {
    "en": " Provisional: the working calendar of those days has not been published yet.",
    "zh": "（暂定：相应日期的工作日安排尚未公布）",
}


def describe(clock: Clock, pack: Pack, now: datetime, amount_used: int) -> dict[str, str]:
    """Where the clock stands at `now`: Day 9 of 15, the rule, the last moment."""
    overdue = is_overdue(clock, now)
    place = _place(clock, amount_used)
    rule, due = clock.limit.rule_id, _due(clock.deadline, pack)
    en = f"{_state_en(clock, overdue=overdue)}{place['en']} ({rule}: {clock.limit.words['en']}). {due['en']}"
    zh = f"{_state_zh(clock, overdue=overdue)}{place['zh']}（{rule}：{clock.limit.words['zh']}）。{due['zh']}"
    if clock.deadline.provisional:
        en, zh = en + _PROVISIONAL["en"], zh + _PROVISIONAL["zh"]
    return {"en": en[0].upper() + en[1:], "zh": zh}


def describe_offer(offer: Offer, pack: Pack) -> dict[str, str]:
    """Who may extend, and to what date."""
    extension, until = offer.extension, _moment(offer.deadline, pack)
    after = pack.extension(extension.after) if extension.after is not None and not offer.ready else None
    return {
        "en": f"Can be extended to {until['en']} by {extension.who['en']} ({extension.rule_id}: {extension.words['en']})"
        + (f", after {after.words['en']}" if after else ""),
        "zh": f"可延长至{until['zh']}，{extension.who['zh']}（{extension.rule_id}：{extension.words['zh']}）"
        + (f"，须先适用：{after.words['zh']}" if after else ""),
    }


def _state_en(clock: Clock, *, overdue: bool) -> str:
    late = "Overdue: " if overdue else ""
    match clock.status:
        case Status.PAUSED:
            return "Paused on "
        case Status.STOPPED:
            return "Stopped late on " if overdue else "Stopped in time on "
    return late


def _state_zh(clock: Clock, *, overdue: bool) -> str:
    match clock.status:
        case Status.PAUSED:
            return "已中止，停在"
        case Status.STOPPED:
            return "逾期办结，" if overdue else "按期办结，"
    return "已逾期：" if overdue else ""


def _place(clock: Clock, amount_used: int) -> dict[str, str]:
    total = clock.limit.amount * (7 if clock.limit.unit is Unit.WEEKS else 1)
    match clock.limit.unit:
        case Unit.MINUTES:
            return {
                "en": f"working minute {amount_used:,} of {total:,}",
                "zh": f"第{amount_used}个工作分钟，共{total}个",
            }
        case Unit.BUSINESS_DAYS:
            return {"en": f"business day {amount_used} of {total}", "zh": f"第{amount_used}个工作日，共{total}个"}
    return {"en": f"day {amount_used} of {total}", "zh": f"第{amount_used}天，共{total}天"}


def _due(deadline: Deadline, pack: Pack) -> dict[str, str]:
    moment = _moment(deadline, pack)
    return {"en": f"Due by {moment['en']}, {pack.zone}.", "zh": f"截止{moment['zh']}（{pack.zone}）。"}


def _moment(deadline: Deadline, pack: Pack) -> dict[str, str]:
    if deadline.due_on is not None:
        day, time = deadline.due_on, pack.last_day_ends
    else:
        local = deadline.due_at.astimezone(ZoneInfo(pack.zone))
        day, time = local.date(), f"{local:%H:%M}"
    return {"en": f"{day.isoformat()} {time}", "zh": f"{day.year}年{day.month}月{day.day}日{time}"}
