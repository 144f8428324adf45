"""The demo bank's 5,000 customers, of all kinds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import count
from random import Random
from typing import Final

from kehu_contracts.bank import IdentityContact, PartyIdentity
from kehu_contracts.codes import CustomerStatus, Gender, PartyKind
from kehu_local.demo import identities
from kehu_local.demo.organisation import BRANCHES, managers_of

__all__ = ["COUNT", "DAYS", "DemoParty", "parties"]

COUNT: Final = 5_000
DAYS: Final = 730
"""How long the played past is: day 0 is two years ago."""

_KINDS: Final = (
    (PartyKind.INDIVIDUAL, 4_400),
    (PartyKind.SOLE_PROPRIETOR, 250),
    (PartyKind.COMPANY, 300),
    (PartyKind.INSTITUTION, 50),
)
_LATER: Final = 500
"""So many join during the two years; the others were customers before."""
_DISTRICTS: Final = {
    "BJ": ("110108", "110105", "110101", "110106"),
    "SH": ("310115", "310101", "310104", "310106"),
    "SZ": ("440304", "440305", "440303", "440306"),
}
_WEALTH: Final = ((0.66, 3_000, 40_000), (0.21, 40_000, 250_000), (0.09, 250_000, 900_000), (0.04, 900_000, 9_000_000))
"""Share of the customers, and between what their means lie, in CNY."""
_OCCUPATIONS: Final = ("1", "2", "3", "4", "5", "6", "8")
_INDUSTRIES: Final = ("C39", "F51", "I65", "E47", "G54", "H62", "M75")


@dataclass(frozen=True, slots=True)
class DemoParty:
    """One customer. `joined` is the day of the played past on which the core first tells of it."""

    source_id: str
    kind: PartyKind
    gender: Gender
    status: CustomerStatus
    joined: int
    customer_since: date
    unit_code: str
    rm_staff_number: str | None
    industry: str | None
    occupation: str | None
    means: int
    """What the customer has in all, in CNY: accounts share it out."""
    employed: bool
    identity: PartyIdentity


def parties(today: date) -> list[DemoParty]:
    """All customers in the order in which they get their numbers; the same every time but for dates of joining.

    Before 2026 births and dates of issue move back with the calendar, so that nobody is born in the future.
    """
    random = Random("kehu-demo/people")  # noqa: S311  Play money.
    kinds = [kind for kind, number in _KINDS for _ in range(number)]
    random.shuffle(kinds)
    back = min(0, today.year - 2026)
    start = today - timedelta(days=DAYS)
    joined = [0] * (COUNT - _LATER) + sorted(random.randrange(20, DAYS - 130) for _ in range(_LATER))
    serials = count(1)
    return [_party(random, next(serials), kind, day, start, back) for kind, day in zip(kinds, joined, strict=True)]


def _party(  # noqa: PLR0913, PLR0917  What a customer is made from.
    random: Random, serial: int, kind: PartyKind, joined: int, start: date, back: int
) -> DemoParty:
    branch = random.choices(BRANCHES, (5, 4, 3))[0]
    place = random.randrange(4)
    unit_code = f"{branch[0]}-{place + 1:02}"
    division = _DISTRICTS[branch[0]][place]
    city = branch[1].removesuffix("分行")
    means = _means(random, kind)
    if kind in {PartyKind.INDIVIDUAL, PartyKind.SOLE_PROPRIETOR}:
        gender = random.choice((Gender.FEMALE, Gender.MALE))
        born = _born(random, kind, back)
        name = identities.person_name(random, gender, born.year - back)
        issued = date(max(born.year + 1, 2012 + back), 1 + serial % 12, 1 + serial % 28)
        documents = [identities.resident_id(division, born, serial, gender, issued=issued)]
        trade = identities.shop_name(random, city, name)
        if kind is PartyKind.SOLE_PROPRIETOR:
            documents.append(identities.credit_code(division, serial, "92"))
        identity = PartyIdentity(
            name=name,
            former_name=trade if kind is PartyKind.SOLE_PROPRIETOR else None,
            birth_date=born,
            documents=tuple(documents),
            contacts=tuple(_contacts(random, serial, f"{city}市{branch[3][place]}区", division)),
        )
        employed = kind is PartyKind.INDIVIDUAL and 22 <= 2026 + back - born.year <= 60 and random.random() < 0.62
    else:
        gender, employed = Gender.UNKNOWN, False
        is_company = kind is PartyKind.COMPANY
        name = (
            identities.company_name(random, city)
            if is_company
            else identities.institution_name(random, city, branch[3][place])
        )
        founded = date(1995 + serial % 25 + back, 1 + serial % 12, 1 + serial % 28)
        identity = PartyIdentity(
            name=name,
            birth_date=founded,
            documents=(identities.credit_code(division, serial, "91" if is_company else "12"),),
            contacts=tuple(_contacts(random, serial, f"{city}市{branch[3][place]}区", division)),
        )
    managers = managers_of(unit_code)
    is_person = kind is PartyKind.INDIVIDUAL
    since = start - timedelta(days=30 + random.randrange(5_000)) if joined == 0 else start + timedelta(days=joined)
    return DemoParty(
        source_id=f"P{serial:06}",
        kind=kind,
        gender=gender,
        status=_status(random, joined),
        joined=joined,
        customer_since=max(since, identity.birth_date or since),
        unit_code=unit_code,
        # Most customers have no personal manager: the branch's pool owns them.
        rm_staff_number=random.choice(managers) if means >= 100_000 or random.random() < 0.2 else None,
        industry=None if is_person else random.choice(_INDUSTRIES),
        occupation=random.choice(_OCCUPATIONS) if is_person else None,
        means=means,
        employed=employed,
        identity=identity,
    )


def _means(random: Random, kind: PartyKind) -> int:
    _, low, high = random.choices(_WEALTH, [share for share, *_ in _WEALTH])[0]
    factor = 1 if kind is PartyKind.INDIVIDUAL else 4
    drawn: float = low * (high / low) ** random.random()
    return round(drawn) * factor


def _born(random: Random, kind: PartyKind, back: int) -> date:
    minor = kind is PartyKind.INDIVIDUAL and random.random() < 0.01
    year = random.randrange(2009, 2016) if minor else round(random.triangular(1942, 2004, 1984))
    return date(year + back, random.randrange(1, 13), random.randrange(1, 29))


def _status(random: Random, joined: int) -> CustomerStatus:
    drawn = random.random()
    if joined or drawn >= 0.012:
        return CustomerStatus.ACTIVE
    return CustomerStatus.DECEASED if drawn < 0.005 else CustomerStatus.CLOSED


def _contacts(random: Random, serial: int, place: str, division: str) -> Iterator[IdentityContact]:
    if random.random() < 0.97:
        yield identities.mobile(serial)
    if random.random() < 0.45:
        yield IdentityContact(type="email", value=f"customer{serial:05}@example.com")
    if random.random() < 0.6:
        address = (
            f"{place}{random.choice(('人民', '中山', '建设', '解放', '和平', '长宁'))}路{random.randrange(1, 900)}号"
        )
        yield IdentityContact(type="address", value=address, division_code=division)
