"""Where a webhook may lead, how a message is signed, and when it is tried again: pure decisions."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from hmac import digest as hmac_digest
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID

__all__ = [
    "RETRIES",
    "SECRET_OVERLAP",
    "AddressRefused",
    "Network",
    "UrlRefused",
    "check_url",
    "message",
    "retry_at",
    "signed_headers",
    "vetted",
]

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

RETRIES: Final = (
    timedelta(seconds=10),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=6),
    timedelta(hours=12),
)
"""Pauses after each failed attempt; when the eighth fails too, after 21 hours, the message is dead."""

SECRET_OVERLAP: Final = timedelta(hours=24)
"""How long messages are signed with the old secret too, after a new one was made."""

# Addresses that carry another one, which a gateway of the network would go on to.
_TRANSLATED: Final = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"), IPv6Network("2002::/16"))


class UrlRefused(ValueError):
    """No message goes to such a URL; says why in a code."""


class AddressRefused(Exception):
    """The host's name leads to where no message may go."""


def check_url(url: str, allowed: Sequence[Network]) -> None:
    """Refuse what cannot be a partner's endpoint, as far as the text tells.

    Args:
        url: where messages are to go.
        allowed: networks inside of which more is allowed: private addresses, and http.

    Raises:
        UrlRefused: it is no https URL with a host, carries a password or a fragment, or names a forbidden address.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise UrlRefused("malformed") from None
    if parts.scheme not in {"https", "http"} or not parts.hostname or port == 0:
        raise UrlRefused("malformed")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise UrlRefused("credentials_or_fragment")
    try:
        address = ip_address(parts.hostname)
    except ValueError:
        if parts.scheme == "http":
            raise UrlRefused("not_https") from None
        return
    if parts.scheme == "http" and not _is_in(address, allowed):
        raise UrlRefused("not_https")
    try:
        vetted([parts.hostname], allowed)
    except AddressRefused:
        raise UrlRefused("address_forbidden") from None


def vetted(addresses: Iterable[str], allowed: Sequence[Network]) -> list[str]:
    """The addresses, when messages may go to every one of them.

    One forbidden address condemns the name: whoever answers with several may hope that the right one is tried.

    Raises:
        AddressRefused: one is of this machine, of a private or otherwise special network, or there is none.
    """
    found = [ip_address(address.partition("%")[0]) for address in addresses]
    if not found or not all(_is_in(address, allowed) or _is_public(address) for address in found):
        raise AddressRefused
    return [str(address) for address in found]


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return _is_public(address.ipv4_mapped)
        if address.is_site_local or address.teredo is not None or any(address in one for one in _TRANSLATED):
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _is_in(address: Address, networks: Sequence[Network]) -> bool:
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address in network for network in networks)


def message(row: Mapping[str, Any]) -> bytes:
    """The body that is sent: a CloudEvent in JSON. `sequence` orders the events of one subject."""
    at = row["at"].astimezone(UTC).isoformat().replace("+00:00", "Z")
    head = f'{{"specversion":"1.0","id":"{row["event_id"]}","type":"{row["type"]}","source":"urn:kehu:gateway"'
    head += f',"subject":"{row["subject"]}","time":"{at}","sequence":{row["sequence"]}'
    head += ',"datacontenttype":"application/json","data":'
    return head.encode() + bytes(row["body"]) + b"}"


def signed_headers(body: bytes, event_id: UUID, secrets: Iterable[bytes], now: datetime) -> dict[str, str]:
    """The headers by which the receiver knows us (standardwebhooks.com, version 1), with one signature for each secret.

    The signed text is `<webhook-id>.<webhook-timestamp>.<body>`. The timestamp is that of the attempt, so that a receiver
    can refuse an old one that somebody sends again.
    """
    timestamp = int(now.timestamp())
    text = f"{event_id}.{timestamp}.".encode() + body
    signatures = (base64.b64encode(hmac_digest(secret, text, sha256)).decode() for secret in secrets)
    return {
        "webhook-id": str(event_id),
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


def retry_at(attempts: int, now: datetime) -> datetime | None:
    """When to try again after so many failed attempts; None when the message is dead."""
    return now + RETRIES[attempts - 1] if attempts <= len(RETRIES) else None
