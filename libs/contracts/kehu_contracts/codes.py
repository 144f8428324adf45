"""Code lists that more than one contract uses. A value is never renamed; new ones may be added."""

from __future__ import annotations

from enum import StrEnum

__all__ = [
    "Channel",
    "ComplaintAction",
    "ComplaintState",
    "ConsentStatus",
    "CustomerStatus",
    "DecisionOutcome",
    "DeliveryState",
    "Gender",
    "HolderRole",
    "PartyKind",
    "ProductClass",
    "Purpose",
    "Tier",
    "TransactionKind",
    "UnitKind",
]


class PartyKind(StrEnum):
    """Kinds of party 当事人: 个人, 个体工商户, 企业, 机构."""

    INDIVIDUAL = "individual"
    SOLE_PROPRIETOR = "sole_proprietor"
    COMPANY = "company"
    INSTITUTION = "institution"


class CustomerStatus(StrEnum):
    """Whether the relationship runs. Merging is a link, not a status."""

    ACTIVE = "active"
    CLOSED = "closed"
    DECEASED = "deceased"


class Gender(StrEnum):
    """GB/T 2261.1 in words."""

    FEMALE = "female"
    MALE = "male"
    UNKNOWN = "unknown"


class UnitKind(StrEnum):
    """Levels of the organisation: 总行, 分行, 支行, 部门."""

    HEAD_OFFICE = "head_office"
    BRANCH = "branch"
    SUB_BRANCH = "sub_branch"
    DEPARTMENT = "department"


class Purpose(StrEnum):
    """What personal data may be used for (PIPL Art. 14: consent is given per purpose)."""

    MARKETING = "marketing"
    SERVICE = "service"
    PROFILING = "profiling"


class Channel(StrEnum):
    """Ways to reach a customer."""

    SMS = "sms"
    EMAIL = "email"
    PHONE = "phone"
    WECHAT = "wechat"
    PUSH = "push"
    COUNTER = "counter"


class ConsentStatus(StrEnum):
    """The state of one consent 授权同意."""

    GRANTED = "granted"
    WITHDRAWN = "withdrawn"


class ProductClass(StrEnum):
    """Classes that assets and product counts are kept by."""

    CURRENT = "current"
    SAVINGS = "savings"
    TIME_DEPOSIT = "time_deposit"
    WEALTH = "wealth"
    FUND = "fund"
    INSURANCE = "insurance"
    LOAN = "loan"
    CARD = "card"
    STANDING_ORDER = "standing_order"


class HolderRole(StrEnum):
    """How a party stands to an account. Which roles count towards balances is data of the bank."""

    OWNER = "owner"
    JOINT_OWNER = "joint_owner"
    DISPONENT = "disponent"
    GUARANTOR = "guarantor"


class TransactionKind(StrEnum):
    """Direction of a movement as the account holder sees it."""

    CREDIT = "credit"
    DEBIT = "debit"


class Tier(StrEnum):
    """Value tiers 客户等级: 普通, 贵宾, VIP, 私人银行."""

    ORDINARY = "ordinary"
    PREFERRED = "preferred"
    VIP = "vip"
    PRIVATE = "private"


class ComplaintState(StrEnum):
    """States of a complaint 投诉."""

    RECEIVED = "received"
    ACCEPTED = "accepted"
    NOT_A_COMPLAINT = "not_a_complaint"
    INVESTIGATING = "investigating"
    PAUSED = "paused"
    DECIDED = "decided"
    NOTIFIED = "notified"
    IN_REVIEW = "in_review"
    CLOSED = "closed"
    WITHDRAWN = "withdrawn"


class ComplaintAction(StrEnum):
    """What moves a complaint from state to state."""

    ACCEPT = "accept"
    REJECT = "reject"
    INVESTIGATE = "investigate"
    PAUSE = "pause"
    RESUME = "resume"
    DECIDE = "decide"
    NOTIFY = "notify"
    REQUEST_REVIEW = "request_review"
    CONCLUDE_REVIEW = "conclude_review"
    CLOSE = "close"
    WITHDRAW = "withdraw"
    REOPEN = "reopen"


class DecisionOutcome(StrEnum):
    """What the decision gate says of one contact."""

    ALLOWED = "allowed"
    REFUSED = "refused"
    DEFERRED = "deferred"


class DeliveryState(StrEnum):
    """The one delivery state model of all channels."""

    QUEUED = "queued"
    SENT = "sent"
    DELIVERED = "delivered"
    OPENED = "opened"
    CLICKED = "clicked"
    FAILED = "failed"
