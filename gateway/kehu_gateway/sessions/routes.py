"""Log-in, log-out and what the console may know of its session."""

from __future__ import annotations

from html import escape
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from kehu_chassis.http import PUBLIC, Now
from kehu_chassis.problems import Unauthenticated, problems
from kehu_gateway.resources import resources_of
from kehu_gateway.sessions.middleware import SESSION_COOKIE, CsrfRefused, session_cookie
from kehu_gateway.sessions.schemas import SessionOut
from kehu_gateway.sessions.service import LoginRefused, Session
from kehu_gateway.web import page, page_language

__all__ = ["routes"]

LOGIN_COOKIE = "kehu_login"
routes = APIRouter(prefix="/auth", tags=["session"])


@routes.get("/login", response_class=RedirectResponse, include_in_schema=False)
async def begin_login(request: Request, return_to: str = "/") -> Response:
    """Send the browser to the issuer, whose page is to speak the console's language.

    The state cookie is Lax: the browser comes back from another site.
    """
    address, sealed = await resources_of(request).sessions.begin_login(return_to, page_language(request))
    response = RedirectResponse(address, status_code=303, headers={"Cache-Control": "no-store"})
    response.set_cookie(LOGIN_COOKIE, sealed, max_age=600, path="/auth", secure=True, httponly=True, samesite="lax")
    return response


@routes.get("/callback", response_class=Response, include_in_schema=False)
async def finish_login(request: Request) -> Response:
    """Take the issuer's answer, begin the session, and end in a page.

    A redirect would still count as coming from the issuer's site, and the browser would withhold the Strict cookie.
    """
    language = page_language(request)
    chinese = language == "zh"
    try:
        session_id, return_to = await resources_of(request).sessions.finish_login(
            dict(request.query_params), request.cookies.get(LOGIN_COOKIE, "")
        )
    except LoginRefused as refusal:
        told = (refusal.detail_zh if chinese else refusal.detail) or ""
        title, again = (refusal.title_zh, "重新登录") if chinese else (refusal.title, "Log in again")
        body = f'<h1>{escape(title)}</h1><p>{escape(told)}</p><nav><a href="/">{again}</a></nav>'
        response: Response = page(body, title=title, language=language, status=refusal.status)
    else:
        title, link = ("已登录", "进入工作台") if chinese else ("Logged in", "Go on")
        target = escape(return_to)
        body = f'<h1>{title}</h1><nav><a href="{target}">{link}</a></nav>'
        head = f'<meta http-equiv="refresh" content="0;url={target}">'
        response = page(body, title=title, language=language, head=head)
        response.set_cookie(SESSION_COOKIE, session_id, path="/", secure=True, httponly=True, samesite="strict")
    response.delete_cookie(LOGIN_COOKIE, path="/auth", secure=True, httponly=True, samesite="lax")
    return response


@routes.get("/session", response_model=SessionOut, openapi_extra=PUBLIC, responses=problems(400, 401, 422))
async def read_session(request: Request, response: Response, now: Now) -> dict[str, Any]:
    """Who is logged in in this browser; 401 when nobody is."""
    session = await _session(request)
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    principal = session.principal
    return {
        "subject": principal.subject,
        "name": session.name,
        "roles": sorted(principal.roles),
        "permissions": sorted(principal.permissions),
        "staff_id": principal.staff_id,
        "csrf_token": resources_of(request).sessions.csrf_token(session.session_id),
        "business_time": now,
    }


@routes.post(
    "/logout",
    response_model=None,
    status_code=204,
    openapi_extra=PUBLIC,
    responses=problems(400, 401, CsrfRefused, 422),
)
async def log_out(request: Request, response: Response) -> None:
    """End the session."""
    session = await _session(request)
    sessions = resources_of(request).sessions
    if not sessions.csrf_fits(session.session_id, request.headers.get("x-csrf-token", "")):
        raise CsrfRefused
    await sessions.end(session.session_id)
    response.delete_cookie(SESSION_COOKIE, path="/", secure=True, httponly=True, samesite="strict")


async def _session(request: Request) -> Session:
    session_id = session_cookie(request.scope)
    found = None if session_id is None else await resources_of(request).sessions.find(session_id)
    if found is None:
        raise Unauthenticated("Nobody is logged in.", detail_zh="尚未登录。")
    return found
