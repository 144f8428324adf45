"""The search for people finds them in every form in which a dump, a log or a URL may have them, and nobody by chance."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from urllib.parse import quote

import pytest

from .traces_of_people import find

NAME = "王小明"
PHONE = "13800138000"
DOCUMENT = "11010519491231002X"
DIGITS = "110105194912310021"
EMAIL = "Wang.XM@example.com"
ADDRESS = "北京市海淀区 中关村大街 1 号"
EVERYBODY = (NAME, PHONE, DOCUMENT, DIGITS, EMAIL, ADDRESS)


@pytest.mark.parametrize("value", EVERYBODY)
@pytest.mark.parametrize(
    "written",
    [
        lambda value: f"x {value} y",
        lambda value: json.dumps({"told": value}),
        lambda value: f"/customers?q={quote(value)}",
        lambda value: f"\\\\x{f'0{value}0'.encode().hex()}",
        lambda value: base64.b64encode(value.encode()).decode(),
        lambda value: base64.b64encode(f"1{value}1".encode()).decode(),
        lambda value: base64.b64encode(f"12{value}12".encode()).decode(),
        lambda value: base64.urlsafe_b64encode(f"123{value}123".encode()).decode(),
    ],
    ids=["plain", "json", "url", "hex", "base64", "base64 at one", "base64 at two", "base64 for urls"],
)
async def test_a_person_is_found_in_any_form(tmp_path: Path, value: str, written: object) -> None:
    folder = tmp_path / "gathered"
    (folder / "logs").mkdir(parents=True)
    assert callable(written)
    (folder / "logs" / "api.log").write_text(f"before\n{written(value)}\nafter\n", encoding="utf-8")
    assert await find(EVERYBODY, folder) == {value: {"logs/api.log"}}


@pytest.mark.parametrize(
    ("value", "normalised"),
    [
        ("+86 138-0013-8000", PHONE),
        (PHONE, f"+86{PHONE}"),
        (EMAIL, "wang.xm@example.com"),
        ("１３８００１３８０００", PHONE),
        (ADDRESS, "北京市海淀区中关村大街1号"),
        ("11010519491231002x", DOCUMENT),
    ],
)
async def test_a_person_is_found_as_we_write_him(tmp_path: Path, value: str, normalised: str) -> None:
    folder = tmp_path / "gathered"
    folder.mkdir()
    (folder / "table").write_text(f"1\t{normalised}\t2\n", encoding="utf-8")
    assert await find([value], folder) == {value: {"table"}}


async def test_digits_of_a_ciphertext_are_nobodys_phone_number(tmp_path: Path) -> None:
    folder = tmp_path / "gathered"
    folder.mkdir()
    (folder / "by chance").write_text(f"\\\\x0a4be91c07d2{PHONE}ff31c2a09e\n")
    (folder / "written").write_text(f"\\\\x0a4be91c07d2 {PHONE} ff31c2a09e\n")
    assert await find([PHONE], folder) == {PHONE: {"written"}}
