"""Where webhooks may lead, what is signed, and when it is tried again."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from uuid import UUID

import pytest

from kehu_gateway.webhooks.rules import AddressRefused, UrlRefused, check_url, retry_at, signed_headers, vetted

NOW = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
INSIDE = (ip_network("10.1.0.0/16"), ip_network("fd00:1::/64"))


@pytest.mark.parametrize(
    "url",
    [
        "https://partner.example/hooks",
        "https://partner.example:8443/hooks?tenant=1",
        "https://93.184.215.14/",
        "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/",
        "https://10.1.2.3/",
        "http://10.1.2.3:9000/",
        "http://[fd00:1::5]/",
    ],
)
def test_public_addresses_and_allowed_networks_may_be_registered(url: str) -> None:
    check_url(url, INSIDE)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://partner.example/", "not_https"),
        ("http://93.184.215.14/", "not_https"),
        ("ftp://partner.example/", "malformed"),
        ("file:///etc/passwd", "malformed"),
        ("https://", "malformed"),
        ("https://partner.example:99999/", "malformed"),
        ("https://partner.example:0/", "malformed"),
        ("https://[::1", "malformed"),
        ("https://user:secret@partner.example/", "credentials_or_fragment"),
        ("https://127.0.0.1@partner.example/", "credentials_or_fragment"),
        ("https://partner.example/#part", "credentials_or_fragment"),
        ("https://127.0.0.1/", "address_forbidden"),
        ("https://127.9.9.9/", "address_forbidden"),
        ("https://0.0.0.0/", "address_forbidden"),
        ("https://10.2.0.1/", "address_forbidden"),
        ("https://172.16.0.1/", "address_forbidden"),
        ("https://192.168.1.1/", "address_forbidden"),
        ("https://100.64.0.1/", "address_forbidden"),
        ("https://169.254.169.254/latest/meta-data/", "address_forbidden"),
        ("https://224.0.0.1/", "address_forbidden"),
        ("https://255.255.255.255/", "address_forbidden"),
        ("https://[::1]/", "address_forbidden"),
        ("https://[::]/", "address_forbidden"),
        ("https://[fe80::1]/", "address_forbidden"),
        ("https://[fc00::1]/", "address_forbidden"),
        ("https://[fec0::1]/", "address_forbidden"),
        ("https://[ff02::1]/", "address_forbidden"),
        ("https://[::ffff:127.0.0.1]/", "address_forbidden"),
        ("https://[::ffff:169.254.169.254]/", "address_forbidden"),
        ("https://[64:ff9b::7f00:1]/", "address_forbidden"),
        ("https://[2002:7f00:1::]/", "address_forbidden"),
        ("https://[2001:0:7f00:1::]/", "address_forbidden"),
    ],
)
def test_everything_else_may_not(url: str, why: str) -> None:
    with pytest.raises(UrlRefused, match=f"^{why}$"):
        check_url(url, INSIDE)


def test_one_forbidden_address_condemns_a_name() -> None:
    assert vetted(["93.184.215.14", "10.1.0.9"], INSIDE) == ["93.184.215.14", "10.1.0.9"]
    for addresses in (["93.184.215.14", "127.0.0.1"], ["fe80::1%eth0"], []):
        with pytest.raises(AddressRefused):
            vetted(addresses, INSIDE)


def test_a_message_is_signed_as_the_standard_has_it_with_each_secret() -> None:
    event_id, body = UUID("0198c2a0-0000-7000-8000-000000000001"), b'{"a":1}'
    headers = signed_headers(body, event_id, [b"new" * 8, b"old" * 8], NOW)
    assert headers["webhook-id"] == str(event_id)
    assert headers["webhook-timestamp"] == "1772413200"
    text = b"0198c2a0-0000-7000-8000-000000000001.1772413200." + body
    expected = [
        "v1," + base64.b64encode(hmac.new(secret, text, hashlib.sha256).digest()).decode()
        for secret in (b"new" * 8, b"old" * 8)
    ]
    assert headers["webhook-signature"].split(" ") == expected


def test_eight_attempts_are_made_within_a_day() -> None:
    pauses = [retry_at(attempts, NOW) for attempts in range(1, 9)]
    assert pauses[0] == NOW + timedelta(seconds=10)
    assert pauses[6] == NOW + timedelta(hours=12)
    assert pauses[7] is None
    assert sum(((pause - NOW) for pause in pauses if pause), timedelta()) < timedelta(days=1)
