"""Search by name over HTTP."""

from __future__ import annotations

import json

import pytest

from kehu_chassis.paging import encode_cursor

from .conftest import People

NAMES = ("张伟", "张維", "章伟", "李娜", "单雄信", "曾国藩", "仇英", "解缙", "欧阳娜娜", "张小伟", "John Smith")


@pytest.fixture
async def known(people: People) -> People:
    for name in NAMES:
        answer = await people.rm.post("/api/v1/customers", json={"kind": "individual", "name": name})
        assert answer.status_code == 201
    await people.rm.post("/api/v1/customers", json={"kind": "company", "name": "北京华夏科技有限公司"})
    return people


async def found(people: People, typed: str, **params: str) -> list[str]:
    answer = await people.rm.get("/api/v1/customers", params={"q": typed, **params})
    assert answer.status_code == 200
    return [item["name"] for item in answer.json()["items"]]


async def test_a_name_is_found_however_it_is_typed(known: People) -> None:
    for typed in ("张伟", "張偉", "zhangwei", "Zhang Wei", "zw", "zhang w", "zhagnwei"):
        assert "张伟" in await found(known, typed), typed


async def test_the_best_fit_comes_first(known: People) -> None:
    assert (await found(known, "张伟"))[0] == "张伟"
    assert set(await found(known, "zhangwei")) == {"张伟", "张維", "章伟"}
    assert set(await found(known, "zw")) == {"张伟", "张維", "章伟"}


RARE = {
    "shan": "单雄信",
    "danxiongxin": "单雄信",
    "zengguofan": "曾国藩",
    "qiuying": "仇英",
    "xiejin": "解缙",
    "歐陽": "欧阳娜娜",
    "smith": "John Smith",
    "华夏": "北京华夏科技有限公司",
    "hxkj": "北京华夏科技有限公司",
}


async def test_rare_readings_parts_and_initials(known: People) -> None:
    assert {typed: await found(known, typed) for typed in RARE} == {typed: [name] for typed, name in RARE.items()}


async def test_what_nobody_is_called_finds_nobody(known: People) -> None:
    for typed in ("王芳", "wangfang", "%", "_", "'", "qqqq"):
        assert await found(known, typed) == [], typed


async def test_a_search_is_filtered_and_paged(known: People) -> None:
    assert await found(known, "北京", kind="individual") == []
    first = (await known.rm.get("/api/v1/customers", params={"q": "zw", "limit": "2"})).json()
    assert len(first["items"]) == 2
    second = await known.rm.get("/api/v1/customers", params={"q": "zw", "limit": "2", "cursor": first["next_cursor"]})
    names = [item["name"] for item in first["items"] + second.json()["items"]]
    assert sorted(names) == sorted(["张伟", "张維", "章伟"])
    assert second.json()["next_cursor"] is None
    made_up = encode_cursor(["张伟", 1], shape=json.dumps(["/api/v1/customers", [["q", "zw"]]]))
    assert (await known.rm.get("/api/v1/customers", params={"q": "zw", "cursor": made_up})).status_code == 422


async def test_a_former_name_finds_the_customer_as_it_is_now_called(known: People) -> None:
    body = {"kind": "individual", "name": "赵敏", "former_name": "周芷若"}
    await known.rm.post("/api/v1/customers", json=body)
    assert await found(known, "周芷若") == ["赵敏"]
