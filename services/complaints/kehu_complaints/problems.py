"""The refusals of this service, each with its code."""

from __future__ import annotations

from kehu_chassis.problems import Conflict, Forbidden, ValidationProblem

__all__ = [
    "ExtensionOwnRequest",
    "ExtensionUnavailable",
    "Recused",
    "ReviewTooLate",
    "TransitionImpossible",
    "wrong_field",
]


class TransitionImpossible(Conflict):
    """The case's state does not allow the action."""

    code = "complaint.transition_refused"
    title = "This is not possible in the complaint's present state"
    title_zh = "投诉当前状态下不能执行此操作"


class Recused(Forbidden):
    """The member of staff complained about neither handles nor decides the case."""

    code = "complaint.recused"
    title = "The person complained about is kept from the case"
    title_zh = "被投诉人须回避，不得处理该投诉"


class ExtensionUnavailable(Conflict):
    """The extension cannot be had now."""

    code = "complaint.extension_refused"
    title = "This extension cannot be had"
    title_zh = "不能适用该延期"


class ExtensionOwnRequest(Forbidden):
    """Who asked for an extension does not decide about it."""

    code = "complaint.extension_own_request"
    title = "Another person has to decide about this extension"
    title_zh = "延期申请须由他人审批"


class ReviewTooLate(Conflict):
    """The time in which a review may be asked for has passed."""

    code = "complaint.review_too_late"
    title = "The time in which a review may be asked for has passed"
    title_zh = "申请核查的期限已过"


def wrong_field(pointer: str, code: str, detail: str, detail_zh: str) -> ValidationProblem:
    """A field of the body that is well-formed and yet wrong."""
    return ValidationProblem(errors=[{"pointer": pointer, "code": code, "detail": detail, "detail_zh": detail_zh}])
