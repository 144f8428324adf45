"""What stands by the ledger, and that parties that are one are read most restrictively."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from kehu_contracts.codes import Channel, ConsentStatus, CustomerStatus
from kehu_customer.consents.rules import (
    WHOLE_CHANNEL,
    Candidate,
    Party,
    Standing,
    Verdict,
    channel_status,
    is_minor,
    most_restrictive,
    resolve,
    target_status,
)

GRANTED, WITHDRAWN = ConsentStatus.GRANTED, ConsentStatus.WITHDRAWN
T0 = datetime(2026, 3, 1, tzinfo=UTC)
T1 = T0 + timedelta(hours=1)
TODAY = date(2026, 3, 2)
PHONE, OTHER = uuid4(), uuid4()


def a_party(*standings: Standing, **changes: Any) -> Party:
    customer_id = uuid4()
    values: dict[str, Any] = {
        "customer_id": customer_id,
        "survivor_id": customer_id,
        "status": CustomerStatus.ACTIVE,
        "birth_date": date(1990, 1, 1),
        "standings": (standings,),
        "candidates": (Candidate(PHONE, True, T0), Candidate(OTHER, False, T1)),
    }
    return Party(**(values | changes))


# All pairs of withdrawn, silent and granted: the more restrictive of the two.
@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (GRANTED, GRANTED, GRANTED),
        (GRANTED, None, None),
        (GRANTED, WITHDRAWN, WITHDRAWN),
        (None, GRANTED, None),
        (None, None, None),
        (None, WITHDRAWN, WITHDRAWN),
        (WITHDRAWN, GRANTED, WITHDRAWN),
        (WITHDRAWN, None, WITHDRAWN),
        (WITHDRAWN, WITHDRAWN, WITHDRAWN),
    ],
)
def test_parties_that_are_one_are_read_most_restrictively(
    one: ConsentStatus | None, other: ConsentStatus | None, expected: ConsentStatus | None
) -> None:
    assert most_restrictive([one, other]) is expected


@pytest.mark.parametrize(
    ("standings", "for_phone", "for_other", "for_channel"),
    [
        ((), None, None, None),
        ((Standing(WHOLE_CHANNEL, GRANTED, T0),), GRANTED, GRANTED, GRANTED),
        ((Standing(PHONE, GRANTED, T0),), GRANTED, None, GRANTED),
        ((Standing(PHONE, WITHDRAWN, T0),), WITHDRAWN, None, WITHDRAWN),
        ((Standing(PHONE, WITHDRAWN, T0), Standing(WHOLE_CHANNEL, GRANTED, T1)), WITHDRAWN, GRANTED, GRANTED),
        ((Standing(PHONE, GRANTED, T0), Standing(WHOLE_CHANNEL, WITHDRAWN, T1)), WITHDRAWN, WITHDRAWN, WITHDRAWN),
        ((Standing(PHONE, GRANTED, T1), Standing(WHOLE_CHANNEL, WITHDRAWN, T0)), GRANTED, WITHDRAWN, GRANTED),
        ((Standing(PHONE, GRANTED, T0), Standing(WHOLE_CHANNEL, WITHDRAWN, T0)), WITHDRAWN, WITHDRAWN, WITHDRAWN),
    ],
)
def test_a_point_and_its_channel_are_weighed(
    standings: tuple[Standing, ...],
    for_phone: ConsentStatus | None,
    for_other: ConsentStatus | None,
    for_channel: ConsentStatus | None,
) -> None:
    assert target_status(standings, PHONE) is for_phone
    assert target_status(standings, OTHER) is for_other
    assert channel_status(standings) is for_channel


@pytest.mark.parametrize(
    ("birth_date", "minor"),
    [
        (None, False),
        (date(2008, 3, 2), False),
        (date(2008, 3, 3), True),
        (date(1949, 12, 31), False),
    ],
)
def test_a_person_comes_of_age_on_the_eighteenth_birthday(birth_date: date | None, *, minor: bool) -> None:
    assert is_minor(birth_date, TODAY) is minor


def test_who_is_born_on_a_leap_day_comes_of_age_on_the_first_of_march() -> None:
    assert is_minor(date(2008, 2, 29), date(2026, 2, 28))
    assert not is_minor(date(2008, 2, 29), date(2026, 3, 1))


GRANT = Standing(WHOLE_CHANNEL, GRANTED, T0)


@pytest.mark.parametrize(
    ("party", "channel", "verdict", "point"),
    [
        (a_party(GRANT), Channel.SMS, Verdict.ALLOWED, PHONE),
        (a_party(Standing(OTHER, GRANTED, T0)), Channel.SMS, Verdict.ALLOWED, OTHER),
        (a_party(GRANT, Standing(PHONE, WITHDRAWN, T1)), Channel.SMS, Verdict.ALLOWED, OTHER),
        (a_party(GRANT, candidates=()), Channel.SMS, Verdict.NO_CONTACT_POINT, None),
        (a_party(GRANT, candidates=()), Channel.PUSH, Verdict.ALLOWED, None),
        (a_party(), Channel.SMS, Verdict.NO_CONSENT, None),
        (a_party(Standing(WHOLE_CHANNEL, WITHDRAWN, T0)), Channel.SMS, Verdict.WITHDRAWN, None),
        (a_party(GRANT, status=CustomerStatus.DECEASED), Channel.SMS, Verdict.DECEASED, None),
        (a_party(GRANT, status=CustomerStatus.CLOSED), Channel.SMS, Verdict.CLOSED, None),
        (a_party(GRANT, birth_date=date(2010, 1, 1)), Channel.SMS, Verdict.MINOR, None),
        (a_party(GRANT, survivor_id=uuid4()), Channel.SMS, Verdict.MERGED, None),
        (
            a_party(standings=((GRANT,), (Standing(WHOLE_CHANNEL, WITHDRAWN, T0),))),
            Channel.SMS,
            Verdict.WITHDRAWN,
            None,
        ),
        (a_party(standings=((GRANT,), ())), Channel.SMS, Verdict.NO_CONSENT, None),
        (a_party(standings=((GRANT,), (GRANT,))), Channel.SMS, Verdict.ALLOWED, PHONE),
        (
            a_party(standings=((GRANT,), (GRANT, Standing(PHONE, WITHDRAWN, T0)))),
            Channel.SMS,
            Verdict.ALLOWED,
            OTHER,
        ),
    ],
)
def test_one_verdict_with_one_reason(party: Party, channel: Channel, verdict: Verdict, point: UUID | None) -> None:
    assert resolve(party, channel, TODAY) == (verdict, point)
