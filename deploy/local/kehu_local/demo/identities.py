"""Names, document numbers and contacts that look like real ones and belong to nobody. The same seed gives the same ones."""

from __future__ import annotations

from datetime import date
from random import Random
from typing import Final

from kehu_contracts.bank import IdentityContact, IdentityDocument
from kehu_contracts.codes import Gender

__all__ = ["company_name", "credit_code", "institution_name", "mobile", "person_name", "resident_id", "shop_name"]

_SURNAMES: Final = (
    ("王", 72), ("李", 70), ("张", 68), ("刘", 54), ("陈", 46), ("杨", 31), ("赵", 23), ("黄", 23), ("周", 21), ("吴", 20), ("徐", 17), ("孙", 16), ("胡", 13), ("朱", 13), ("高", 12), ("林", 12), ("何", 11), ("郭", 11), ("马", 11), ("罗", 10), ("梁", 9), ("宋", 8), ("郑", 8), ("谢", 7), ("韩", 7), ("唐", 7), ("冯", 6), ("于", 6), ("董", 6), ("萧", 5), ("程", 5), ("曹", 5), ("袁", 5), ("邓", 5), ("许", 5), ("傅", 4), ("沈", 4), ("曾", 4), ("彭", 4), ("吕", 4), ("苏", 4), ("卢", 3), ("蒋", 3), ("蔡", 3), ("贾", 3), ("丁", 3), ("魏", 3), ("薛", 3), ("叶", 3), ("阎", 2), ("欧阳", 1), ("上官", 1), ("司马", 1), ("诸葛", 1)
)  # fmt: skip
_MALE_OLD: Final = "建国军平志强文明德华永福荣生树林玉山海波庆春长江"
_FEMALE_OLD: Final = "秀英桂兰淑珍玉梅素芳凤霞丽华红艳敏静爱莲月琴"
_MALE_YOUNG: Final = "浩宇子轩俊杰博文天佑嘉豪明哲泽楷一鸣睿思远晨"
_FEMALE_YOUNG: Final = "梓涵雨桐欣怡诗琪佳怡思颖若曦语嫣梦洁可馨晓彤"
_SIGNS: Final = {
    (Gender.MALE, False): _MALE_OLD,
    (Gender.MALE, True): _MALE_YOUNG,
    (Gender.FEMALE, False): _FEMALE_OLD,
    (Gender.FEMALE, True): _FEMALE_YOUNG,
}
_TRADES: Final = ("餐饮店", "便利店", "五金店", "服装店", "水果店", "理发店", "文具店", "药房", "茶庄", "汽修行")
_INDUSTRIES: Final = (
    "科技",
    "贸易",
    "信息技术",
    "机械设备",
    "医药",
    "建筑工程",
    "物流",
    "电子",
    "食品",
    "文化传媒",
    "环保",
    "新材料",
)
_WORDS: Final = (
    "华信",
    "鼎盛",
    "恒远",
    "瑞丰",
    "中博",
    "启航",
    "嘉禾",
    "万通",
    "金诚",
    "宏图",
    "天元",
    "博远",
    "汇智",
    "卓越",
    "同方达",
)
_BODIES: Final = (
    "第一中学",
    "实验小学",
    "社区卫生服务中心",
    "图书馆",
    "水务局",
    "规划设计院",
    "妇幼保健院",
    "职业技术学院",
)
_MOBILE_PREFIXES: Final = ("133", "135", "136", "138", "139", "150", "158", "159", "177", "186", "188", "189")

_ID_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CODE_ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def person_name(random: Random, gender: Gender, birth_year: int) -> str:
    """Surname by its frequency, given name of one or two characters by sex and generation."""
    surname = random.choices([name for name, _ in _SURNAMES], [weight for _, weight in _SURNAMES])[0]
    young = birth_year >= 1985
    return surname + "".join(random.sample(_SIGNS[gender, young], 1 if random.random() < 0.12 else 2))


def shop_name(random: Random, city: str, owner: str) -> str:
    """The trade name of a sole proprietor."""
    return f"{city}{owner[0]}记{random.choice(_WORDS)}{random.choice(_TRADES)}"


def company_name(random: Random, city: str) -> str:
    """The name of a limited company."""
    return f"{city}{random.choice(_WORDS)}{random.choice(_WORDS)}{random.choice(_INDUSTRIES)}有限公司"


def institution_name(random: Random, city: str, place: str) -> str:
    """The name of a public institution."""
    return f"{city}市{place}区{random.choice(_BODIES)}"


def resident_id(division: str, born: date, serial: int, gender: Gender, *, issued: date) -> IdentityDocument:
    """A resident ID with its check character (GB 11643); odd serials are men's."""
    order = serial % 499 * 2 + (1 if gender is Gender.MALE else 0)
    digits = f"{division}{born:%Y%m%d}{order:03}"
    total = sum(int(digit) * weight for digit, weight in zip(digits, _ID_WEIGHTS, strict=True))
    return IdentityDocument(
        type="resident_id",
        number=digits + "10X98765432"[total % 11],
        issuer="公安局",
        valid_from=issued,
        valid_until=issued.replace(year=issued.year + 20),
    )


def credit_code(division: str, serial: int, kind: str) -> IdentityDocument:
    """A unified social credit code with its check character (GB 32100); `kind` is its first two signs."""
    body = f"{kind}{division}MA"
    rest = serial
    for _ in range(7):
        rest, digit = divmod(rest * 7 + 11, 31)
        body += _CODE_ALPHABET[digit]
    total = sum(_CODE_ALPHABET.index(sign) * pow(3, place, 31) for place, sign in enumerate(body))
    return IdentityDocument(type="uscc", number=body + _CODE_ALPHABET[-total % 31], issuer="市场监督管理局")


def mobile(serial: int) -> IdentityContact:
    """A mobile number of its own for each serial."""
    prefix = _MOBILE_PREFIXES[serial % len(_MOBILE_PREFIXES)]
    return IdentityContact(type="phone", value=f"{prefix}{(serial * 7_919 + 10_007) % 100_000_000:08}")
