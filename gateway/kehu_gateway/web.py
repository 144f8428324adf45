"""What the gateway's own pages and forms share: strict headers, small forms, the two languages."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from html import escape
from string import Template
from urllib.parse import parse_qsl

from fastapi import Request
from fastapi.responses import HTMLResponse

from kehu_chassis.errors import language_of
from kehu_chassis.http import runtime_of
from kehu_chassis.problems import BodyTooLarge, Language, MalformedRequest, RequestTimedOut, UnsupportedMediaType

__all__ = ["SECURITY_HEADERS", "page", "page_language", "read_form"]

_MAX_FORM = 16_384

SECURITY_HEADERS: Mapping[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
"""On every page and file that a browser gets from the gateway."""

_STYLE = """
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: #f0f2f5; color: #1f1f1f;
       font: 15px/1.6 system-ui, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif; }
main { width: min(360px, calc(100vw - 32px)); box-sizing: border-box; padding: 32px; background: #fff;
       border-radius: 12px; box-shadow: 0 2px 12px rgb(0 0 0 / 8%); }
h1 { margin: 0 0 4px; font-size: 22px; }
p { margin: 0 0 20px; color: #595959; }
label { display: block; margin: 12px 0 4px; }
input { width: 100%; box-sizing: border-box; padding: 8px 12px; font: inherit; border: 1px solid #8c8c8c; border-radius: 6px; }
button { width: 100%; margin-top: 20px; padding: 9px; font: inherit; color: #fff; background: #0958d9; border: 0;
         border-radius: 6px; cursor: pointer; }
input:focus-visible, button:focus-visible, a:focus-visible { outline: 3px solid #91caff; outline-offset: 1px; }
.refused { margin: 0 0 12px; padding: 8px 12px; color: #a8071a; background: #fff1f0; border-radius: 6px; }
nav { margin-top: 20px; font-size: 13px; } a { color: #0958d9; }
"""

_PAGE = Template("""<!doctype html>
<html lang="$lang"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>$head<style nonce="$nonce">$style</style></head>
<body><main>$body</main></body></html>
""")


def page(  # noqa: PLR0913 - the parts of a page.
    body: str, *, title: str, language: Language, status: int = 200, head: str = "", form_action: str = "'none'"
) -> HTMLResponse:
    """A page of the gateway's own: no script, styles by nonce, never stored. `body` and `head` are safe HTML."""
    nonce = secrets.token_urlsafe(16)
    html = _PAGE.substitute(
        lang="zh-CN" if language == "zh" else "en",
        title=escape(title),
        head=head,
        nonce=nonce,
        style=_STYLE,
        body=body,
    )
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; form-action {form_action};"
        " base-uri 'none'; frame-ancestors 'none'"
    )
    headers = {**SECURITY_HEADERS, "Content-Security-Policy": policy, "Cache-Control": "no-store"}
    return HTMLResponse(html, status_code=status, headers=headers)


def page_language(request: Request) -> Language:
    """The language of a page: that of `ui_locales` when it is given, else what the browser prefers."""
    match request.query_params.get("ui_locales", "")[:2]:
        case "zh":
            return "zh"
        case "en":
            return "en"
    return language_of(request.scope)


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a small urlencoded form; of a repeated field the first.

    Raises:
        UnsupportedMediaType: the body is something else.
        RequestTimedOut: it did not arrive in time.
        BodyTooLarge: it has more than 16 KiB.
        MalformedRequest: it cannot be read.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/x-www-form-urlencoded":
        raise UnsupportedMediaType("Send application/x-www-form-urlencoded.")
    body = bytearray()
    try:
        async with asyncio.timeout(runtime_of(request).settings.body_timeout):
            async for chunk in request.stream():
                body += chunk
                if len(body) > _MAX_FORM:
                    raise BodyTooLarge(headers={"Connection": "close"})
    except TimeoutError:
        raise RequestTimedOut(headers={"Connection": "close"}) from None
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body), max_num_fields=50)
    except ValueError:
        raise MalformedRequest from None
    fields: dict[str, str] = {}
    for name, value in pairs:
        fields.setdefault(name, value)
    return fields
