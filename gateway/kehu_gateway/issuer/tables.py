"""What the issuer has handed out and may be redeemed; digests only."""

from __future__ import annotations

from sqlalchemy import Column, Integer, LargeBinary, MetaData, Table

from kehu_chassis.columns import instant, string

__all__ = ["authorization_codes", "login_attempts", "refresh_tokens"]

_metadata = MetaData()

authorization_codes = Table(
    "authorization_codes",
    _metadata,
    Column("code_digest", LargeBinary, primary_key=True),
    string("client_id"),
    string("redirect_uri"),
    string("subject"),
    string("code_challenge"),
    string("nonce", nullable=True),
    instant("expires_at"),
)

refresh_tokens = Table(
    "refresh_tokens",
    _metadata,
    Column("token_digest", LargeBinary, primary_key=True),
    string("client_id"),
    string("subject"),
    instant("expires_at"),
)

login_attempts = Table(
    "login_attempts",
    _metadata,
    Column("key_digest", LargeBinary, primary_key=True),
    Column("failures", Integer, nullable=False),
    instant("not_before"),
    instant("forget_at"),
)
