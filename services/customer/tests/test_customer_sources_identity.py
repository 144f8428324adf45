"""Identities of one sender bear the same header: from the second on they are opened without reading it anew."""

from __future__ import annotations

import os
from datetime import date

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from joserfc import jwe
from joserfc.util import urlsafe_b64encode

from kehu_chassis.crypto import MessageKeys
from kehu_contracts.bank import IdentityDocument, PartyIdentity
from kehu_customer.sources.identity import IdentityReader, IdentityRefused

WANG = PartyIdentity(name="王小明", birth_date=date(1990, 1, 2))
LI = PartyIdentity(name="李雷", documents=(IdentityDocument(type="passport", number="E12345678"),))


@pytest.fixture
def keys() -> MessageKeys:
    return MessageKeys({"bank-1": os.urandom(32)}, "bank-1")


@pytest.fixture
def reader(keys: MessageKeys) -> IdentityReader:
    """One that has opened a message of the sender."""
    reader = IdentityReader(keys)
    assert reader.open(reader.seal(WANG)) == WANG
    return reader


def test_a_header_is_read_once(reader: IdentityReader, monkeypatch: pytest.MonkeyPatch) -> None:
    sealed = reader.seal(LI)
    monkeypatch.delattr(jwe, "decrypt_compact")
    assert reader.open(sealed) == LI


def test_what_its_key_and_algorithm_would_not_open_is_refused_under_a_known_header(reader: IdentityReader) -> None:
    header, _, nonce, ciphertext, tag = reader.seal(LI).split(".")
    other = reader.seal(WANG).split(".")
    for parts in (
        (header, "", other[2], ciphertext, tag),
        (header, "", nonce, other[3], tag),
        (header, "", nonce, ciphertext, other[4]),
        (header, "AAAA", nonce, ciphertext, tag),
        # A tag cut short would be guessed sooner.
        (header, "", nonce, ciphertext, tag[:16]),
        (header, "", nonce + "AAAA", ciphertext, tag),
        (header, "", nonce, f"{ciphertext}=", tag),
        (header, "", nonce, ciphertext, tag, ""),
        (header, "", nonce, ciphertext),
        (header,),
    ):
        with pytest.raises(IdentityRefused, match="cannot be decrypted"):
            reader.open(".".join(parts))


def test_a_header_under_another_key_is_another_message(reader: IdentityReader, keys: MessageKeys) -> None:
    before = reader.seal(LI)
    keys.adopt(MessageKeys({"bank-1": os.urandom(32)}, "bank-1"))
    with pytest.raises(IdentityRefused, match="cannot be decrypted"):
        reader.open(before)
    assert reader.open(reader.seal(LI)) == LI


def test_a_known_header_does_not_outlive_its_key(reader: IdentityReader, keys: MessageKeys) -> None:
    before = reader.seal(LI)
    keys.adopt(MessageKeys({"bank-2": os.urandom(32)}, "bank-2"))
    with pytest.raises(IdentityRefused, match="there is no message key bank-1"):
        reader.open(before)


def test_a_shorter_key_does_not_serve_a_known_header(reader: IdentityReader, keys: MessageKeys) -> None:
    header, nonce, short = reader.seal(LI).split(".")[0], os.urandom(12), os.urandom(16)
    sealed = AESGCM(short).encrypt(nonce, LI.model_dump_json().encode(), header.encode())
    keys.adopt(MessageKeys({"bank-1": short}, "bank-1"))
    parts = (urlsafe_b64encode(part).decode() for part in (nonce, sealed[:-16], sealed[-16:]))
    with pytest.raises(IdentityRefused, match="cannot be decrypted"):
        reader.open(".".join((header, "", *parts)))
