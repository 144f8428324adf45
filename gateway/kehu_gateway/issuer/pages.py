"""The issuer's log-in page."""

from __future__ import annotations

from html import escape
from typing import Final, Literal
from urllib.parse import urlencode

from fastapi.responses import HTMLResponse

from kehu_chassis.problems import Language
from kehu_gateway.web import page

__all__ = ["login_page", "refused_page"]

_WORDS: Final[dict[Language, dict[str, str]]] = {
    "en": {
        "title": "Log in to Kehu",
        "hint": "Demo users: rm, rm2, handler, marketer, marketer2, compliance, head, operator, auditor."
        " The password is the user name followed by -demo.",
        "user": "User name",
        "password": "Password",
        "submit": "Log in",
        "wrong": "User name or password is wrong.",
        "busy": "Too many failed attempts. Wait a moment before the next.",
        "other": "中文",
        "refused": "This log-in cannot go on",
        "again": "Start again",
    },
    "zh": {
        "title": "登录 Kehu 客户",
        "hint": "演示用户：rm、rm2、handler、marketer、marketer2、compliance、head、operator、auditor。密码为用户名加 -demo。",
        "user": "用户名",
        "password": "密码",
        "submit": "登录",
        "wrong": "用户名或密码错误。",
        "busy": "失败次数过多，请稍候再试。",
        "other": "English",
        "refused": "无法继续登录",
        "again": "重新开始",
    },
}


def login_page(
    parameters: dict[str, str], language: Language, *, failure: Literal["wrong", "busy"] | None = None, user: str = ""
) -> HTMLResponse:
    """The form; it posts to the address with the same parameters."""
    words = _WORDS[language]
    other = urlencode({**parameters, "ui_locales": "zh" if language == "en" else "en"})
    refused = "" if failure is None else f'<p class="refused" role="alert">{words[failure]}</p>'
    body = f"""<h1>{words["title"]}</h1><p>{words["hint"]}</p>{refused}
<form method="post" action="/oauth2/authorize?{escape(urlencode(parameters))}">
<label for="username">{words["user"]}</label>
<input id="username" name="username" value="{escape(user)}" autocomplete="username" required autofocus maxlength="64">
<label for="password">{words["password"]}</label>
<input id="password" name="password" type="password" autocomplete="current-password" required maxlength="200">
<button type="submit">{words["submit"]}</button></form>
<nav><a href="/oauth2/authorize?{escape(other)}">{words["other"]}</a></nav>"""
    status = {None: 200, "wrong": 401, "busy": 429}[failure]
    return page(body, title=words["title"], language=language, status=status, form_action="'self'")


def refused_page(reason: str, language: Language) -> HTMLResponse:
    """What a browser sees when it came with a request that names no client or address of ours."""
    words = _WORDS[language]
    body = f'<h1>{words["refused"]}</h1><p>{escape(reason)}</p><nav><a href="/">{words["again"]}</a></nav>'
    return page(body, title=words["refused"], language=language, status=400)
