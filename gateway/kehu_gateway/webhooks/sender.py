"""One attempt to deliver a message, with the guard against being sent to where we should not go (SSRF)."""

from __future__ import annotations

import socket
from asyncio import get_running_loop
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from kehu_gateway.webhooks.rules import AddressRefused, Network, UrlRefused, check_url, vetted

__all__ = ["Attempt", "Sender", "open_sender"]

TIMEOUT: Final = aiohttp.ClientTimeout(total=10.0, sock_connect=3.0)


@dataclass(frozen=True, slots=True)
class Attempt:
    """What came of it: the status, or the kind of failure. Nothing of the answer is kept."""

    status: int | None
    error: str | None

    @property
    def delivered(self) -> bool:
        """Whether the receiver took the message. A redirect is not followed: it could lead anywhere."""
        return self.status is not None and 200 <= self.status < 300


class GuardedResolver(AbstractResolver):
    """Resolves a name once and gives only addresses to which messages may go; the connection is made to these.

    A name that changes its address between check and use (rebinding) finds nothing to use: there is one look-up only.
    """

    def __init__(self, allowed: Sequence[Network]) -> None:
        self._allowed = allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a host.

        Raises:
            AddressRefused: one of them is forbidden.
        """
        found = await get_running_loop().getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
        addresses = vetted((str(entry[4][0]) for entry in found), self._allowed)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=entry[0],
                proto=entry[2],
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for entry, address in zip(found, addresses, strict=True)
        ]

    async def close(self) -> None:
        """Nothing is held."""


class Sender:
    """Posts messages. No cookie, proxy, redirect or cache of names, and nothing of the answer but its status."""

    def __init__(self, client: aiohttp.ClientSession, allowed: Sequence[Network]) -> None:
        self._client = client
        self._allowed = allowed

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Attempt:
        """Try once. What may be reached is asked again each time, since the settings may have become stricter."""
        try:
            check_url(url, self._allowed)
            async with self._client.post(
                URL(url),
                data=body,
                headers={**headers, "content-type": "application/cloudevents+json"},
                allow_redirects=False,
            ) as answer:
                return Attempt(answer.status, None if 200 <= answer.status < 300 else "status")
        except UrlRefused as refused:
            return Attempt(None, str(refused))
        except AddressRefused:
            return Attempt(None, "address_forbidden")
        except TimeoutError:
            return Attempt(None, "timeout")
        except aiohttp.ClientSSLError:
            return Attempt(None, "tls")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Attempt(None, "address_forbidden" if isinstance(error.__cause__, AddressRefused) else "connection")


@asynccontextmanager
async def open_sender(allowed: Sequence[Network]) -> AsyncIterator[Sender]:
    """A sender with connections of its own."""
    connector = aiohttp.TCPConnector(resolver=GuardedResolver(allowed), use_dns_cache=False, limit=64, force_close=True)
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=TIMEOUT,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=("User-Agent", "Accept-Encoding"),
        headers={"User-Agent": "Kehu"},
        trust_env=False,
    ) as client:
        yield Sender(client, allowed)
