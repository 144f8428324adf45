"""The one place where what was raised becomes an RFC 9457 answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import asyncpg
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic_core import PydanticKnownError, to_json
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from kehu_chassis.database import TRANSIENT
from kehu_chassis.problems import (
    PROBLEM_JSON,
    BodyTooLarge,
    DependencyUnavailable,
    FieldProblem,
    Language,
    MalformedRequest,
    NotFound,
    Problem,
    ValidationProblem,
    problem_body,
)
from kehu_chassis.telemetry import get_logger
from kehu_chassis.tracing import current_trace_id

__all__ = [
    "InternalError",
    "MethodNotAllowed",
    "OutOfReach",
    "install",
    "internal_error",
    "language_of",
    "problem_response",
]

log = get_logger(__name__)


class InternalError(Problem):
    """Something went wrong that is not the caller's fault."""

    status = 500
    code = "internal_error"
    title = "Something went wrong on our side"
    title_zh = "服务器内部错误"


class MethodNotAllowed(Problem):
    """The resource is there, but not for this method."""

    status = 405
    code = "request.method_not_allowed"
    title = "The resource does not take this method"
    title_zh = "该资源不支持此方法"


class _OtherRefusal(Problem):
    """A refusal by the framework that has no type of its own."""

    status = 400
    code = "request.refused"
    title = "The request was refused"
    title_zh = "请求被拒绝"


class OutOfReach(ValidationProblem):
    """The request would have written a row that the caller does not reach; row-level security refused it."""

    code = "request.out_of_reach"
    title = "The request names something that is not known here"
    title_zh = "请求涉及的对象不存在"


def language_of(scope: Scope) -> Language:
    """The language of the caller: Chinese when Accept-Language prefers it, else English."""
    header = next((value for name, value in scope["headers"] if name == b"accept-language"), b"").decode("latin-1")
    best: tuple[float, Language] = (0.0, "en")
    for part in header.lower().split(","):
        tag, _, weight = part.strip().partition(";q=")
        primary = tag.strip().partition("-")[0]
        try:
            quality = float(weight) if weight else 1.0
        except ValueError:
            continue
        if quality > best[0]:
            if primary == "zh":
                best = (quality, "zh")
            elif primary == "en":
                best = (quality, "en")
    return best[1]


def problem_response(problem: Problem, scope: Scope, *, status: int | None = None) -> Response:
    """The answer that tells a problem in the caller's language."""
    language = language_of(scope)
    body = problem_body(problem, language=language, trace_id=current_trace_id())
    if status is not None:
        body["status"] = status
    headers = {
        **problem.headers,
        "Content-Language": language,
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
    }
    return Response(to_json(body), status_code=status or problem.status, headers=headers, media_type=PROBLEM_JSON)


def install(app: FastAPI) -> None:
    """Give an application the handlers for every kind of refusal."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    for error in TRANSIENT:
        app.add_exception_handler(error, _on_transient_error)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)
    app.add_exception_handler(asyncpg.InsufficientPrivilegeError, _on_denied_write)


async def internal_error(scope: Scope, receive: Receive, send: Send) -> None:
    """The answer to an unexpected error: an application for `TelemetryMiddleware`."""
    await problem_response(InternalError(), scope)(scope, receive, send)


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return problem_response(error, request.scope)


async def _on_transient_error(request: Request, error: Exception) -> Response:
    log.warning("http.dependency_unavailable", exc_info=error)
    return problem_response(DependencyUnavailable(headers={"Retry-After": "2"}), request.scope)


async def _on_disconnect(request: Request, _: Exception) -> Response:
    # Nobody is there to read it; it keeps a caller who hangs up from counting as an error of ours.
    return problem_response(MalformedRequest(), request.scope)


async def _on_denied_write(request: Request, error: Exception) -> Response:
    # The second lock has the same SQLSTATE as a missing grant, which is a mistake of ours and no matter of the caller's.
    if getattr(error, "server_source_function", None) != "ExecWithCheckOptions":
        raise error
    log.warning("http.write_out_of_reach", exc_info=error)
    return problem_response(OutOfReach(), request.scope)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    match error.status_code:
        case 404:
            return problem_response(NotFound(), request.scope)
        case 405:
            return problem_response(MethodNotAllowed(headers=headers), request.scope)
        case 413:
            return problem_response(BodyTooLarge(), request.scope)
        case 400:
            return problem_response(MalformedRequest(), request.scope)
        case status:
            return problem_response(_OtherRefusal(headers=headers), request.scope, status=status)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        return problem_response(
            MalformedRequest("The body is not valid JSON.", detail_zh="请求内容不是有效的 JSON。"), request.scope
        )
    return problem_response(ValidationProblem(errors=list(_field_problems(found, error.body))), request.scope)


_WHERE: Final = frozenset({"body", "query", "path", "header", "cookie"})


def _field_problems(errors: Iterable[Mapping[str, Any]], body: Any) -> Iterable[FieldProblem]:
    for error in errors:
        where, *place = error["loc"]
        kind, told = error["type"], error["msg"]
        if kind == "too_short" and isinstance(error["input"], str):
            # pydantic counts items where a text was looked at before its length.
            known = PydanticKnownError("string_too_short", {"min_length": error["ctx"]["min_length"]})
            kind, told = known.type, known.message()
        yield {
            "pointer": _pointer(_in_document(place, body, missing=kind == "missing") if where == "body" else place),
            "where": where if where in _WHERE else "body",
            "code": kind,
            "detail": told,
            "detail_zh": _in_chinese(kind, error.get("ctx") or {}),
        }


def _in_document(place: Sequence[str | int], document: Any, *, missing: bool) -> Iterable[str | int]:
    """The steps that lead through the document. pydantic adds the tag of each union that it chose from; tags are no steps.

    Of a `missing` field the last step is its name, though the document has it not.
    """
    for number, step in enumerate(place, start=1):
        if isinstance(step, int) if isinstance(document, list) else isinstance(document, dict) and step in document:
            yield step
            document = document[step]
        elif missing and number == len(place):
            yield step


def _pointer(place: Iterable[str | int]) -> str:
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in place)


_CHINESE: Final[Mapping[str, str]] = {
    "missing": "必填",
    "extra_forbidden": "不允许的字段",
    "control_character": "不允许使用控制字符",
    "line_break": "不允许换行",
    "repeated": "不得重复",
    "string_type": "须为文本",
    "string_too_short": "长度至少为 {min_length}",
    "string_too_long": "长度不得超过 {max_length}",
    "string_pattern_mismatch": "格式不符",
    "too_short": "至少需要 {min_length} 项",
    "too_long": "最多允许 {max_length} 项",
    "greater_than": "须大于 {gt}",
    "greater_than_equal": "须大于或等于 {ge}",
    "less_than": "须小于 {lt}",
    "less_than_equal": "须小于或等于 {le}",
    "int_type": "须为整数",
    "int_parsing": "须为整数",
    "int_from_float": "须为整数",
    "float_type": "须为数字",
    "float_parsing": "须为数字",
    "decimal_type": "须为数值",
    "decimal_parsing": "须为数值",
    "decimal_max_digits": "数字位数不得超过 {max_digits}",
    "decimal_max_places": "小数位数不得超过 {decimal_places}",
    "finite_number": "须为有限数值",
    "bool_type": "须为布尔值",
    "bool_parsing": "须为布尔值",
    "enum": "取值须为：{expected}",
    "literal_error": "取值须为：{expected}",
    "uuid_parsing": "须为 UUID",
    "uuid_type": "须为 UUID",
    "date_type": "须为日期",
    "date_from_datetime_parsing": "须为日期",
    "date_parsing": "须为日期",
    "datetime_type": "须为日期时间",
    "datetime_parsing": "须为日期时间",
    "datetime_from_date_parsing": "须为日期时间",
    "timezone_aware": "须带时区",
    "dict_type": "须为对象",
    "model_type": "须为对象",
    "model_attributes_type": "须为对象",
    "list_type": "须为数组",
    "set_type": "须为数组",
    "union_tag_invalid": "类型标识无效",
    "union_tag_not_found": "缺少类型标识",
}


def _in_chinese(kind: str, context: Mapping[str, Any]) -> str:
    """The text for a kind of error; a service's own kind brings its text along as `detail_zh` in the context."""
    own = context.get("detail_zh")
    if isinstance(own, str):
        return own
    try:
        return _CHINESE.get(kind, "取值无效").format_map(context)
    except KeyError:
        return "取值无效"
