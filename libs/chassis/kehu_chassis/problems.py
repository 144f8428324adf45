"""Errors that know their status, their code and their place in the API document (RFC 9457).

A refusal is a subclass of `Problem` that is raised anywhere below a route; one handler turns it into
`application/problem+json` in the caller's language:

    class MergeRefused(Problem):
        '''Two profiles may not be merged.'''

        status = 409
        code = "customer.merge_refused"
        title = "These profiles cannot be merged"
        title_zh = "这两个客户档案不能合并"

    raise MergeRefused("Both have a verified tax number, and they differ.", detail_zh="两份档案的税号均已核实且不一致。")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, Literal, NotRequired, TypedDict

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "PROBLEM_JSON",
    "BodyTooLarge",
    "Conflict",
    "DependencyUnavailable",
    "FieldProblem",
    "Forbidden",
    "HeadTooLarge",
    "Language",
    "MalformedRequest",
    "NotFound",
    "PreconditionFailed",
    "PreconditionRequired",
    "Problem",
    "ProblemOut",
    "RequestTimedOut",
    "TooManyRequests",
    "Unauthenticated",
    "UnsupportedMediaType",
    "ValidationProblem",
    "problem_body",
    "problem_schemas",
    "problems",
]

PROBLEM_JSON: Final = "application/problem+json"
Language = Literal["en", "zh"]


class FieldProblem(TypedDict):
    """One wrong field. `pointer` is a JSON Pointer (RFC 6901) into what `where` names, the body unless told."""

    pointer: str
    code: str
    detail: str
    detail_zh: NotRequired[str]
    where: NotRequired[Literal["body", "query", "path", "header", "cookie"]]


class Problem(Exception):
    """A refusal that the caller is told. Subclasses state `status`, `code`, `title` and `title_zh`.

    Args:
        detail: what is wrong in this case, for a person; never personal data.
        detail_zh: the same in Chinese; without it the Chinese answer has the title only.
        errors: the fields that are wrong.
        headers: headers of the answer, such as `Retry-After`.
    """

    status: ClassVar[int]
    code: ClassVar[str]
    title: ClassVar[str]
    title_zh: ClassVar[str]

    def __init__(
        self,
        detail: str | None = None,
        *,
        detail_zh: str | None = None,
        errors: Sequence[FieldProblem] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.detail_zh = detail_zh
        self.errors = tuple(errors)
        self.headers = dict(headers or {})

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        missing = [name for name in ("status", "code", "title", "title_zh") if not hasattr(cls, name)]
        if missing:
            msg = f"{cls.__name__} must state {', '.join(missing)}"
            raise TypeError(msg)


class NotFound(Problem):
    """There is no such thing, or it lies outside the caller's scope: the two cannot be told apart."""

    status = 404
    code = "not_found"
    title = "Not found"
    title_zh = "未找到"


class Conflict(Problem):
    """The request contradicts the present state."""

    status = 409
    code = "conflict"
    title = "The request conflicts with the present state"
    title_zh = "请求与当前状态冲突"


class ValidationProblem(Problem):
    """The request is well-formed, but a field of it is wrong."""

    status = 422
    code = "request.invalid"
    title = "The request is invalid"
    title_zh = "请求内容有误"


class MalformedRequest(Problem):
    """The request cannot be read: broken JSON, broken header."""

    status = 400
    code = "request.malformed"
    title = "The request cannot be read"
    title_zh = "无法解析请求"


class Unauthenticated(Problem):
    """There is no token, or it is not valid."""

    status = 401
    code = "auth.token_invalid"
    title = "A valid token is required"
    title_zh = "需要有效的访问令牌"


class Forbidden(Problem):
    """The caller is known but may not do this."""

    status = 403
    code = "auth.forbidden"
    title = "You may not do this"
    title_zh = "没有执行此操作的权限"


class PreconditionRequired(Problem):
    """A change needs `If-Match` with the version that the caller saw."""

    status = 428
    code = "request.precondition_required"
    title = "If-Match is required"
    title_zh = "缺少 If-Match 请求头"


class PreconditionFailed(Problem):
    """The thing has changed since the caller read it."""

    status = 412
    code = "request.precondition_failed"
    title = "The resource has changed since you read it"
    title_zh = "资源已被他人修改，请重新读取"


class BodyTooLarge(Problem):
    """The body is longer than the service takes."""

    status = 413
    code = "request.body_too_large"
    title = "The body is too large"
    title_zh = "请求内容过大"


class HeadTooLarge(Problem):
    """The request has too many headers, or too long ones."""

    status = 431
    code = "request.head_too_large"
    title = "The request's headers are too large"
    title_zh = "请求头过大"


class RequestTimedOut(Problem):
    """The request did not arrive whole in the time that it is given."""

    status = 408
    code = "request.timed_out"
    title = "The request did not arrive in time"
    title_zh = "请求未在限定时间内送达"


class UnsupportedMediaType(Problem):
    """The body is not JSON."""

    status = 415
    code = "request.unsupported_media_type"
    title = "The body must be application/json"
    title_zh = "请求内容必须为 application/json"


class TooManyRequests(Problem):
    """The caller has used up its share; `Retry-After` tells when to come back."""

    status = 429
    code = "request.rate_limited"
    title = "Too many requests"
    title_zh = "请求过于频繁"


class DependencyUnavailable(Problem):
    """Something that the service needs does not answer at present."""

    status = 503
    code = "service.unavailable"
    title = "The service is temporarily unavailable"
    title_zh = "服务暂时不可用"


class FieldProblemOut(BaseModel):
    """One wrong field of the request."""

    model_config = ConfigDict(populate_by_name=True)

    pointer: str = Field(description="JSON Pointer as a URI fragment, e.g. #/names/0/text")
    where: Literal["body", "query", "path", "header", "cookie"] = Field(alias="in")
    code: str
    detail: str


class ProblemOut(BaseModel):
    """The body of every answer that is not a success (RFC 9457)."""

    type: str = Field(description="urn:kehu:problem:<code>")
    title: str
    status: int
    detail: str | None
    code: str = Field(description="For programs; stable")
    errors: list[FieldProblemOut]
    trace_id: str


_BY_STATUS: Final[Mapping[int, type[Problem]]] = {
    problem.status: problem
    for problem in (
        MalformedRequest,
        Unauthenticated,
        Forbidden,
        NotFound,
        Conflict,
        PreconditionFailed,
        RequestTimedOut,
        BodyTooLarge,
        UnsupportedMediaType,
        ValidationProblem,
        PreconditionRequired,
        TooManyRequests,
        HeadTooLarge,
        DependencyUnavailable,
    )
}


def problems(*kinds: int | type[Problem]) -> dict[int | str, dict[str, Any]]:
    """Declare a route's refusals: `responses=problems(404, MergeRefused)`.

    A number stands for the general problem with that status. Those that every route has (400, 401, 403, 422, 503) are
    added by the router.
    """
    by_status: dict[int, list[type[Problem]]] = {}
    for kind in kinds:
        problem = _BY_STATUS[kind] if isinstance(kind, int) else kind
        by_status.setdefault(problem.status, []).append(problem)
    return {
        status: {
            "description": "; ".join(f"{problem.title} (`{problem.code}`)" for problem in found),
            "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status, found in sorted(by_status.items())
    }


def problem_schemas() -> dict[str, Any]:
    """The schemas of a problem's body for the components of an API document, to which `problems` refers."""
    schema = ProblemOut.model_json_schema(mode="serialization", ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs"), "Problem": schema}


def problem_body(problem: Problem, *, language: Language, trace_id: str) -> dict[str, Any]:
    """The RFC 9457 body of a problem in a language."""
    chinese = language == "zh"
    return {
        "type": f"urn:kehu:problem:{problem.code}",
        "title": problem.title_zh if chinese else problem.title,
        "status": problem.status,
        "detail": problem.detail_zh if chinese else problem.detail,
        "code": problem.code,
        "errors": [
            {
                "pointer": f"#{error['pointer']}",
                "in": error.get("where", "body"),
                "code": error["code"],
                "detail": error.get("detail_zh", error["detail"]) if chinese else error["detail"],
            }
            for error in problem.errors
        ],
        "trace_id": trace_id,
    }
