"""How a campaign may move, and what its text may say. Pure: no I/O, no clock, no framework."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Final

__all__ = [
    "TRANSITIONS",
    "CampaignAction",
    "CampaignState",
    "TransitionRefused",
    "banned_claims_in",
    "is_second_person",
    "next_state",
]


class CampaignState(StrEnum):
    """States of a campaign 营销活动."""

    DRAFT = "draft"
    IN_REVIEW = "in_review"
    RUNNING = "running"
    FINISHED = "finished"


class CampaignAction(StrEnum):
    """What is done to a campaign."""

    EDIT = "edit"
    SUBMIT = "submit"
    APPROVE = "approve"
    REJECT = "reject"
    COMPLETE = "complete"


class TransitionRefused(Exception):
    """The action is not possible in the state."""

    def __init__(self, state: CampaignState, action: CampaignAction) -> None:
        super().__init__(f"a campaign that is {state} cannot {action}")
        self.state = state
        self.action = action


TRANSITIONS: Final[Mapping[tuple[CampaignState, CampaignAction], CampaignState]] = {
    (CampaignState.DRAFT, CampaignAction.EDIT): CampaignState.DRAFT,
    (CampaignState.DRAFT, CampaignAction.SUBMIT): CampaignState.IN_REVIEW,
    (CampaignState.IN_REVIEW, CampaignAction.APPROVE): CampaignState.RUNNING,
    (CampaignState.IN_REVIEW, CampaignAction.REJECT): CampaignState.DRAFT,
    (CampaignState.RUNNING, CampaignAction.COMPLETE): CampaignState.FINISHED,
}
"""The whole state machine: what is not here is refused."""


def next_state(state: CampaignState, action: CampaignAction) -> CampaignState:
    """The state after the action; raises `TransitionRefused` for every pair that is not in `TRANSITIONS`."""
    try:
        return TRANSITIONS[state, action]
    except KeyError:
        raise TransitionRefused(state, action) from None


def is_second_person(reviewer: str, makers: Iterable[str]) -> bool:
    """Whether the reviewer had no hand in the campaign: neither created, edited nor submitted it."""
    return reviewer not in set(makers)


def banned_claims_in(text: str, claims: Iterable[str]) -> tuple[str, ...]:
    """The claims that the text makes, in the order of the list.

    Width, case, spaces, punctuation and invisible characters between the letters make no difference, since they make
    none to the reader.
    """
    plain = _plain(text)
    return tuple(claim for claim in claims if _plain_claim(claim) in plain)


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(character for character in folded if unicodedata.category(character)[0] in "LNS")


# The claims are few and the same every time; the texts are not.
_plain_claim = lru_cache(maxsize=1_000)(_plain)
