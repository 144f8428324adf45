"""Which address a request comes from, when proxies of ours stand in front."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.types import Scope

__all__ = ["Network", "client_address"]

Network = IPv4Network | IPv6Network
_IPV6_SITE = 64
"""One subscriber has a whole /64 of IPv6, so that is one address here."""


def client_address(scope: Scope, trusted: Sequence[Network]) -> str:
    """The address of the caller: that of the connection, unless it is a proxy of ours.

    What such a proxy wrote at the end of `X-Forwarded-For` holds, and so on from right to left while it names further
    proxies of ours. Anything that somebody else wrote there is not looked at.
    """
    address = scope["client"][0] if scope.get("client") else ""
    if not trusted or not _is_trusted(address, trusted):
        return _normal(address)
    forwarded = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
    for told in reversed(forwarded.decode("latin-1").split(",")):
        hop = told.strip()
        try:
            ip_address(hop)
        except ValueError:
            break
        address = hop
        if not _is_trusted(hop, trusted):
            break
    return _normal(address)


def _is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return any(found in network for network in trusted)


def _normal(address: str) -> str:
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(IPv6Network((found, _IPV6_SITE), strict=False))
