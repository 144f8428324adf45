"""The protocol's endpoints: discovery, keys, authorization, token, userinfo."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import unquote, urlencode

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from kehu_chassis.auth import Principal
from kehu_chassis.http import requires, runtime_of
from kehu_chassis.problems import NotFound
from kehu_chassis.telemetry import get_logger
from kehu_gateway.issuer.pages import login_page, refused_page
from kehu_gateway.issuer.rules import AuthorizationRefused, read_request
from kehu_gateway.issuer.service import GrantRefused, Issuer
from kehu_gateway.limits.addresses import client_address
from kehu_gateway.resources import resources_of
from kehu_gateway.web import page_language, read_form

__all__ = ["routes"]

log = get_logger(__name__)
routes = APIRouter(include_in_schema=False)
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


async def _builtin(request: Request) -> Issuer:
    issuer = resources_of(request).issuer
    if issuer is None:
        raise NotFound
    return issuer


BuiltIn = Annotated[Issuer, Depends(_builtin)]


@routes.get("/.well-known/openid-configuration", response_model=dict[str, Any])
async def discover(issuer: BuiltIn) -> dict[str, Any]:
    """Tell clients where everything is (OpenID Connect Discovery 1.0)."""
    at = issuer.address
    return {
        "issuer": at,
        "authorization_endpoint": f"{at}/oauth2/authorize",
        "token_endpoint": f"{at}/oauth2/token",
        "userinfo_endpoint": f"{at}/oauth2/userinfo",
        "jwks_uri": f"{at}/oauth2/jwks",
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials", "password"],
        "code_challenge_methods_supported": ["S256"],
        "id_token_signing_alg_values_supported": ["EdDSA"],
        "subject_types_supported": ["public"],
        "scopes_supported": ["openid"],
        "token_endpoint_auth_methods_supported": ["none", "client_secret_post", "client_secret_basic"],
        "ui_locales_supported": ["zh", "en"],
    }


@routes.get("/oauth2/jwks", response_model=dict[str, Any])
async def publish_keys(issuer: BuiltIn, response: Response) -> dict[str, Any]:
    """Publish the signing keys (RFC 7517)."""
    response.headers["Cache-Control"] = "public, max-age=60"
    return dict(issuer.keys.key_set())


@routes.get("/oauth2/authorize", response_class=Response)
async def ask_for_login(request: Request, issuer: BuiltIn) -> Response:
    """Show the log-in form."""
    parameters = dict(request.query_params)
    try:
        read_request(parameters, issuer.redirect_uris)
    except AuthorizationRefused as refusal:
        return _refused(request, parameters, refusal)
    return login_page(parameters, page_language(request))


@routes.post("/oauth2/authorize", response_class=Response)
async def log_in(request: Request, issuer: BuiltIn) -> Response:
    """Take user name and password, and send the browser back to the client with a code."""
    parameters = dict(request.query_params)
    try:
        wanted = read_request(parameters, issuer.redirect_uris)
    except AuthorizationRefused as refusal:
        return _refused(request, parameters, refusal)
    form = await read_form(request)
    user, language = form.get("username", "").strip()[:64], page_language(request)
    attempts, address = resources_of(request).attempts, _address(request)
    async with attempts.turn(user, address):
        wait = await attempts.begin(user, address)
        if wait is not None:
            page = login_page(parameters, language, failure="busy", user=user)
            page.headers["Retry-After"] = _seconds(wait)
            return page
        account = await issuer.accounts.authenticate(user, form.get("password", "")[:200])
        if account is None:
            log.info("issuer.login_refused")
            return login_page(parameters, language, failure="wrong", user=user)
        await attempts.succeeded(user, address)
    async with runtime_of(request).database.begin() as tx:
        code = await issuer.issue_code(tx, wanted, account)
    answer = urlencode({"code": code, "state": wanted.state, "iss": issuer.address})
    return RedirectResponse(f"{wanted.redirect_uri}?{answer}", status_code=303, headers=_NO_STORE)


@routes.post("/oauth2/token", response_class=JSONResponse)
async def give_token(request: Request, issuer: BuiltIn) -> JSONResponse:
    """Exchange a code, a refresh token, a client's secret or a demo user's password for tokens (RFC 6749)."""
    form = {**await read_form(request), **_basic(request)}
    guesser = _guesser(form)
    if guesser is None:
        return await _grant(request, issuer, form)
    attempts, address = resources_of(request).attempts, _address(request)
    async with attempts.turn(guesser, address):
        wait = await attempts.begin(guesser, address)
        if wait is not None:
            told = {"error": "slow_down", "error_description": "too many failed attempts"}
            return JSONResponse(told, status_code=429, headers={**_NO_STORE, "Retry-After": _seconds(wait)})
        answer = await _grant(request, issuer, form)
        if answer.status_code == HTTPStatus.OK:
            await attempts.succeeded(guesser, address)
    return answer


async def _grant(request: Request, issuer: Issuer, form: Mapping[str, str]) -> JSONResponse:
    try:
        granted = await issuer.grant(runtime_of(request).database, form)
    except GrantRefused as refusal:
        refused = 401 if refusal.error == "invalid_client" else 400
        told = {"error": refusal.error, "error_description": refusal.description}
        return JSONResponse(told, status_code=refused, headers=_NO_STORE)
    return JSONResponse(dict(granted), headers=_NO_STORE)


@routes.get("/oauth2/userinfo", response_model=dict[str, Any])
async def tell_user(issuer: BuiltIn, actor: Annotated[Principal, requires()]) -> dict[str, Any]:
    """Tell who a token speaks for."""
    account = issuer.accounts.user(actor.subject)
    return {"sub": actor.subject, "name": account.name if account is not None else actor.subject}


def _guesser(form: Mapping[str, str]) -> str | None:
    """Whose secret the form tries; a code or a refresh token cannot be guessed, and serves once."""
    match form.get("grant_type"):
        case "password":
            return form.get("username", "")[:64]
        case "client_credentials":
            return f"client {form.get('client_id', '')[:64]}"
    return None


def _address(request: Request) -> str:
    return client_address(request.scope, resources_of(request).limits.trusted)


def _seconds(wait: timedelta) -> str:
    return str(math.ceil(wait.total_seconds()))


def _refused(request: Request, parameters: dict[str, str], refusal: AuthorizationRefused) -> Response:
    if not refusal.redirectable:
        return refused_page(refusal.description, page_language(request))
    told = {"error": refusal.error, "error_description": refusal.description, "state": parameters.get("state", "")}
    return RedirectResponse(f"{parameters['redirect_uri']}?{urlencode(told)}", status_code=303, headers=_NO_STORE)


def _basic(request: Request) -> dict[str, str]:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return {}
    try:
        name, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return {}
    return {"client_id": unquote(name), "client_secret": unquote(secret)}
