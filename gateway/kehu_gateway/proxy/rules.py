"""Which service owns a path, and which headers cross the gateway."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal, get_args

__all__ = ["SERVICES", "Headers", "Service", "answer_headers", "owner_of", "request_headers"]

Service = Literal["customer", "segmentation", "complaints", "campaigns"]
SERVICES: Final[tuple[Service, ...]] = get_args(Service)
Headers = list[tuple[bytes, bytes]]

_ROOT: Final = "/api/v1/"
_BY_RESOURCE: Final[Mapping[str, Service]] = {
    "customers": "customer",
    "merges": "customer",
    "source-records": "customer",
    "contact-resolutions": "customer",
    "units": "customer",
    "staff": "customer",
    "segments": "segmentation",
    "tiers": "segmentation",
    "complaints": "complaints",
    "complaint-categories": "complaints",
    "campaigns": "campaigns",
    "contact-decisions": "campaigns",
}
_OF_CUSTOMERS: Final[Mapping[str, Service]] = {
    "segments": "segmentation",
    "features": "segmentation",
    "complaints": "complaints",
    "campaigns": "campaigns",
}
"""What lies below /customers/{id} and belongs to another service."""


def owner_of(path: str) -> Service | None:
    """The service that answers a path; None when none does. Empty and dot segments belong to nobody."""
    if not path.startswith(_ROOT):
        return None
    segments = path[len(_ROOT) :].split("/")
    if any(segment in {"", ".", ".."} for segment in segments):
        return None
    match segments:
        case ["operations", service, _, *_]:
            return next((known for known in SERVICES if known == service), None)
        case ["customers", _, part, *_] if part in _OF_CUSTOMERS:
            return _OF_CUSTOMERS[part]
        case [resource, *_]:
            return _BY_RESOURCE.get(resource)
    return None


_TO_SERVICE: Final = frozenset(
    {
        b"accept",
        b"accept-language",
        b"authorization",
        b"content-type",
        b"idempotency-key",
        b"if-match",
        b"if-none-match",
    }
)
_NOT_TO_CALLER: Final = frozenset(
    {
        b"connection",
        b"content-length",
        b"date",
        b"keep-alive",
        b"proxy-authenticate",
        b"server",
        b"set-cookie",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)


def request_headers(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """What a service gets of a caller's headers: a closed list.

    Hop-by-hop headers, cookies and every header by which a caller could claim to be somebody stay outside: the token is
    the only identity, and each service verifies it again.
    """
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in headers if name in _TO_SERVICE}


def answer_headers(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """What a caller gets of a service's headers: all but what concerns the connection, and no cookie."""
    lowered = [(name.lower(), value) for name, value in headers]
    return [(name, value) for name, value in lowered if name not in _NOT_TO_CALLER]
