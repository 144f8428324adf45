"""Compares what clients were told, what PostgreSQL holds, what Kafka carries and what every projection shows.

It shares no code with the product: asyncpg, aiokafka, and its own reading of rows and headers. It runs while nothing is
written; what it finds different is told in words.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping
from typing import Any, Final

import asyncpg

from .bank import Facts
from .load import Sent
from .records import Topics

__all__ = ["CONVERGES_WITHIN", "Checker", "NotConverged"]

CONVERGES_WITHIN: Final = 30.0
"""Seconds after the last fault within which every projection must stand where it belongs."""

SCHEMAS: Final = ("customer", "segmentation", "complaints", "campaigns", "gateway")
EXAMPLES: Final = 3

Rows = list[Mapping[str, Any]]


class NotConverged(AssertionError):
    """Something is still different when it may not be any more."""


class Checker:
    """Checks one suite as it is in quiet moments. `savings_segment` is the id of a published segment: savers.

    With others' data in the suite (not `alone`), what clients and bank wrote is looked for among it, each thing once, and
    no more: the rest is for `kehu verify`.
    """

    def __init__(
        self,
        database: str,
        topics: Topics,
        sent: list[Sent],
        facts: Facts,
        savings_segment: str,
        *,
        alone: bool = True,
    ) -> None:
        self._database = database
        self._alone = alone
        self.topics = topics
        self._sent = sent
        self._facts = facts
        self._segment = savings_segment
        self._differences: list[str] = []

    async def converge(self, began: float) -> float:
        """Check until nothing differs; how many seconds after `began` (monotonic) it stood so. Raises `NotConverged`."""
        while True:
            # What is compared is what stands now; in a long campaign comparing it takes seconds itself.
            took = time.monotonic() - began
            differences = await self.differences()
            if not differences:
                return took
            if took > CONVERGES_WITHIN:
                raise NotConverged(f"{took:.0f} s after the last fault:\n" + "\n".join(differences))
            await asyncio.sleep(0.3)

    async def differences(self) -> list[str]:
        """All that differs now."""
        self._differences = []
        connection = await asyncpg.connect(self._database)
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                rows = {name: await connection.fetch(statement) for name, statement in _STATEMENTS.items()}
        finally:
            await connection.close()
        self._check_leftovers(rows)
        if self._differences:
            # While events are under way there is no use in comparing the rest.
            return self._differences
        self._check_answers(rows)
        self._check_bank(rows)
        if self._alone:
            await self.topics.read()
            self._differences += self.topics.faults
            self._check_events(rows)
            self._check_copies(rows)
            self._check_timeline(rows)
        return self._differences

    def _check_leftovers(self, rows: dict[str, Rows]) -> None:
        """Nothing is on its way, held back or parked, and what died is the poison, all of it and nothing else."""
        for row in rows["leftovers"]:
            if row["number"]:
                self._differences.append(f"{row['number']} rows are still in {row['place']}")
        died = Counter(str(row["id"]) for row in rows["dead_letters"])
        self._same("dead letters", Counter(str(one) for one in self._facts.poison), died)

    def _check_answers(self, rows: dict[str, Rows]) -> None:
        """Each write that was acknowledged took effect once, and none that was not took effect twice."""
        marked = {
            "register": ("occupation", Counter(row["occupation"] for row in rows["customers"] if row["occupation"])),
            "consent": ("proof", Counter(row["proof"] for row in rows["consents"])),
        }
        for kind, (marker, found) in marked.items():
            self._same(f"{kind} writes by their mark", Counter(sent.body[marker] for sent in self._told(kind)), found)
        ids = {
            "register": ("id", {row["id"] for row in rows["customers"] if row["occupation"]}),
            "consent": ("id", {row["id"] for row in rows["consents"]}),
            "contact point": ("id", {row["id"] for row in rows["contact_points"]}),
            "interaction": ("id", {row["id"] for row in rows["interactions"]}),
            "complaint": ("complaint_id", {row["complaint_id"] for row in rows["complaints"]}),
        }
        for kind, (name, found_ids) in ids.items():
            told = Counter(sent.answer[name] for sent in self._told(kind) if sent.answer)
            self._same(f"{kind} ids", told, Counter(str(one) for one in found_ids))
        industries = {sent.path: sent.body["industry"] for sent in self._told("profile")}
        held = {f"/api/v1/customers/{row['id']}": row["industry"] for row in rows["customers"] if row["industry"]}
        self._same("profiles", industries, held)
        steps = Counter(sent.path.split("/")[4] for sent in self._told("complaint step"))
        moved = Counter(str(row["complaint_id"]) for row in rows["complaint_history"] if row["from_state"])
        self._same("steps of complaints", steps, moved)

    def _told(self, kind: str) -> list[Sent]:
        return [sent for sent in self._sent if sent.kind == kind and sent.answer is not None]

    def _check_bank(self, rows: dict[str, Rows]) -> None:
        """What the bank stated is there once, with its last word on each thing."""
        facts = self._facts
        self._same("parties", Counter(facts.parties), Counter(row["source_id"] for row in rows["source_records"]))
        owners = {row["account"]: row["party"] for row in rows["owners"]}
        self._same("accounts", {account: party for account, (party, _) in facts.accounts.items()}, owners)
        balances = {row["source_id"]: f"{row['stated_balance']:.2f}" for row in rows["accounts"] if row["has_balance"]}
        self._same("balances", {account: amount for account, (_, amount) in facts.balances.items()}, balances)
        movements = Counter((row["source_id"], row["account"], f"{row['amount']:.2f}") for row in rows["transactions"])
        self._same("movements", Counter((it, *what) for it, what in facts.movements.items()), movements)
        openings = Counter((row["source_id"], row["account"]) for row in rows["openings"])
        self._same("openings", Counter(facts.openings.items()), openings)

    def _check_events(self, rows: dict[str, Rows]) -> None:
        """Each thing that happened was told, once."""
        for what, kind, name, table, column in _TOLD_ONCE:
            told = Counter(event.body[name] for event in self.topics.of(kind))
            self._same(f"events of {what}", Counter(str(row[column]) for row in rows[table]), told)
        moves = Counter(event.subject for event in self.topics.of("kehu.complaint.state_changed"))
        made = Counter(str(row["complaint_id"]) for row in rows["complaint_history"] if row["from_state"])
        self._same("events of complaint steps", made, moves)
        standing: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
        for row in rows["consents"]:
            standing[str(row["customer_id"]), row["channel"]] = row["status"]
        states = {event.subject: event for event in self.topics.of("kehu.customer.state")}
        self._same(
            "states of customers",
            {
                str(row["id"]): (str(row["unit_id"]), str(row["survivor_id"]), row["status"])
                for row in rows["customers"]
            },
            {it: (e.body["unit_id"], e.body["survivor_id"], e.body["status"]) for it, e in states.items()},
        )
        in_states = {
            (customer, line["channel"]): line["status"] for customer, e in states.items() for line in e.body["consents"]
        }
        self._same("consents in the states of customers", dict(standing), in_states)
        belonging = {event.subject: event for event in self.topics.of("kehu.segment.state")}
        self._same(
            "memberships in the states of customers",
            {(str(row["customer_id"]), str(row["segment_id"])) for row in rows["memberships"]},
            {(it, line["segment_id"]) for it, e in belonging.items() for line in e.body["memberships"]},
        )
        letters = Counter(event.body["message_id"] for event in self.topics.of("kehu.operations.message_died"))
        self._same("dead letters on their topic", Counter(str(one) for one in self._facts.poison), letters)

    def _check_copies(self, rows: dict[str, Rows]) -> None:
        """Every projection shows what its source holds."""
        for what, source, copy in _COPIES:
            self._same(what, Counter(tuple(row) for row in rows[source]), Counter(tuple(row) for row in rows[copy]))
        for status, column in (("granted", "granted"), ("withdrawn", "withdrawn")):
            last = {(row["customer_id"], f"marketing:{row['channel']}"): row["status"] for row in rows["consents"]}
            known = {(row["customer_id"], key) for row in rows["campaign_customers"] for key in row[column]}
            self._same(
                f"consents {status} as campaigns know them", {k for k, it in last.items() if it == status}, known
            )
        days: dict[tuple[str, str, str], tuple[int, str]] = {}
        for event in self.topics.of("kehu.holding.balance_stated"):
            day = (event.body["customer_id"], event.body["account_id"], event.body["business_date"])
            stated = event.body["source_sequence"], f"{float(event.body['balance']):.2f}"
            days[day] = max(stated, days.get(day, stated))
        held = {
            (str(row["customer_id"]), str(row["account_id"]), row["business_date"].isoformat()): (
                row["stated_sequence"],
                f"{row['stated']:.2f}",
            )
            for row in rows["account_days"]
        }
        self._same("balances by day as segmentation knows them", days, held)
        savers = {row["customer_id"] for row in rows["holders"] if row["product_class"] == "savings"}
        members = {row["customer_id"] for row in rows["memberships"] if str(row["segment_id"]) == self._segment}
        self._same("members of the segment of savers", savers, members)

    def _check_timeline(self, rows: dict[str, Rows]) -> None:
        """Each customer's timeline has a line for each event that is news to a person."""
        due: Counter[Hashable] = Counter()
        opened: set[tuple[str, str]] = set()
        for event in self.topics.events:
            line = _TIMELINE.get(event.type)
            customer = event.body.get("customer_id")
            if line is None or customer is None:
                continue
            if line == "account_opened":
                # The core states an account again and again; it was opened once.
                opened.add((customer, event.body["account_id"]))
            elif line != "campaign_contact_allowed" or event.body["outcome"] == "allowed":
                due[customer, line] += 1
        due.update((customer, "account_opened") for customer, _ in opened)
        shown = Counter((str(row["customer_id"]), row["type"]) for row in rows["timeline"])
        self._same("lines of timelines", due, shown)

    def _same(self, what: str, expected: Any, found: Any) -> None:
        if expected == found:
            return
        missing, surplus = _items(expected) - _items(found), _items(found) - _items(expected)
        if not self._alone:
            surplus = Counter({it: number for it, number in surplus.items() if it in _items(expected)})
            if not missing and not surplus:
                return
        told = [f"{what}: {sum(missing.values())} are missing, {sum(surplus.values())} too many"]
        told += [f"  missing {one}" for one in list(missing)[:EXAMPLES]]
        told += [f"  too many {one}" for one in list(surplus)[:EXAMPLES]]
        self._differences.append("\n".join(told))


def _items(values: Any) -> Counter[Hashable]:
    if isinstance(values, Counter):
        return values
    return Counter(values.items() if isinstance(values, Mapping) else values)


_LEFTOVERS: Final = " UNION ALL ".join(
    f"SELECT '{schema}.{table}' AS place, count(*) AS number FROM {schema}.{table}"  # noqa: S608  our own names
    for schema in SCHEMAS
    for table in ("outbox", "held_messages", "parked_messages")
)
_LETTERS: Final = " UNION ALL ".join(f"SELECT id FROM {schema}.dead_letters" for schema in SCHEMAS)  # noqa: S608
_SUBJECTS: Final = "SELECT subject_id, survivor_id, unit_id, manager_id FROM {}.scope_subjects"

_STATEMENTS: Final = {
    "leftovers": _LEFTOVERS,
    "dead_letters": _LETTERS,
    "customers": "SELECT id, occupation, industry, unit_id, survivor_id, status FROM customer.customers",
    "consents": "SELECT id, customer_id, channel, status, proof FROM customer.consent_entries ORDER BY effective_at, id",
    "contact_points": "SELECT id FROM customer.contact_points",
    "interactions": "SELECT id FROM customer.interactions",
    "source_records": "SELECT source_id FROM customer.source_records",
    "accounts": """SELECT id, source_id, stated_balance, stated_balance IS NOT NULL AS has_balance
                   FROM customer.accounts""",
    "owners": """SELECT account.source_id AS account, record.source_id AS party FROM customer.account_holders
                 JOIN customer.accounts AS account ON account.id = account_id
                 JOIN customer.source_records AS record USING (customer_id)""",
    "transactions": """SELECT moved.id, moved.source_id, account.source_id AS account, moved.amount
                       FROM customer.transactions AS moved JOIN customer.accounts AS account ON account.id = account_id""",
    "openings": """SELECT opening.id, opening.source_id, account.source_id AS account
                   FROM customer.product_openings AS opening JOIN customer.accounts AS account ON account.id = account_id""",
    "timeline": "SELECT customer_id, type FROM customer.timeline_entries",
    "complaints": "SELECT complaint_id FROM complaints.complaints",
    "complaint_history": "SELECT complaint_id, from_state FROM complaints.complaint_history",
    "account_days": """SELECT customer_id, account_id, business_date, stated, stated_sequence
                       FROM segmentation.account_days WHERE stated IS NOT NULL""",
    "memberships": "SELECT segment_id, customer_id FROM segmentation.memberships WHERE valid_to IS NULL",
    "decisions": "SELECT id FROM campaigns.decisions",
    "campaign_customers": "SELECT customer_id, granted, withdrawn FROM campaigns.customers",
    # What is projected, and the projection, column by column.
    "subjects": "SELECT id, survivor_id, unit_id, primary_rm_id FROM customer.customers",
    "own_subjects": _SUBJECTS.format("customer"),
    "segmentation_subjects": _SUBJECTS.format("segmentation"),
    "complaints_subjects": _SUBJECTS.format("complaints"),
    "campaigns_subjects": _SUBJECTS.format("campaigns"),
    "profiles": "SELECT id, customer_number, kind, status, gender, unit_id, survivor_id FROM customer.customers",
    "segmentation_profiles": """SELECT customer_id, customer_number, kind, status, gender, unit_id, survivor_id
                                FROM segmentation.customers""",
    "standings": "SELECT id, customer_number, kind, status FROM customer.customers",
    "campaigns_standings": "SELECT customer_id, customer_number, kind, status FROM campaigns.customers",
    "holders": """SELECT customer_id, account_id, role, product_class, product_code FROM customer.account_holders
                  JOIN customer.accounts ON id = account_id""",
    "segmentation_holders": """SELECT customer_id, account_id, holder_role, product_class, product_code
                               FROM segmentation.holdings""",
    "postings": """SELECT customer_id, moved.id, moved.amount, moved.kind FROM customer.transactions AS moved
                   JOIN customer.account_holders USING (account_id)""",
    "segmentation_postings": "SELECT customer_id, transaction_id, amount, kind FROM segmentation.posted",
    "cases": "SELECT complaint_id, customer_id, open FROM complaints.complaints WHERE customer_id IS NOT NULL",
    "campaigns_cases": "SELECT complaint_id, customer_id, open FROM campaigns.complaints",
    "products": "SELECT id, customer_id, product_code FROM customer.product_openings",
    "campaigns_products": "SELECT opening_id, customer_id, product_code FROM campaigns.openings",
    "campaigns_memberships": "SELECT segment_id, customer_id FROM campaigns.memberships",
    "units": "SELECT id, parent_id, active FROM customer.units",
    **{
        f"{schema}_units": f"SELECT unit_id, parent_id, active FROM {schema}.scope_units"  # noqa: S608  our own names
        for schema in SCHEMAS
    },
    "staff": "SELECT id, unit_id, active FROM customer.staff",
    **{
        f"{schema}_staff": f"SELECT staff_id, unit_id, active FROM {schema}.scope_staff"  # noqa: S608  the same
        for schema in SCHEMAS
    },
}

_COPIES: Final = (
    ("subjects of the customer service", "subjects", "own_subjects"),
    ("subjects of segmentation", "subjects", "segmentation_subjects"),
    ("subjects of complaints", "subjects", "complaints_subjects"),
    ("subjects of campaigns", "subjects", "campaigns_subjects"),
    ("customers as segmentation knows them", "profiles", "segmentation_profiles"),
    ("customers as campaigns know them", "standings", "campaigns_standings"),
    ("holdings as segmentation knows them", "holders", "segmentation_holders"),
    ("movements as segmentation knows them", "postings", "segmentation_postings"),
    ("complaints as campaigns know them", "cases", "campaigns_cases"),
    ("openings as campaigns know them", "products", "campaigns_products"),
    ("memberships as campaigns know them", "memberships", "campaigns_memberships"),
    *((f"units of {schema}", "units", f"{schema}_units") for schema in SCHEMAS),
    *((f"staff of {schema}", "staff", f"{schema}_staff") for schema in SCHEMAS),
)

_TOLD_ONCE: Final = (
    ("new customers", "kehu.customer.registered", "customer_id", "customers", "id"),
    ("consents", "kehu.customer.consent_changed", "customer_id", "consents", "customer_id"),
    ("interactions", "kehu.customer.interaction_recorded", "interaction_id", "interactions", "id"),
    ("movements", "kehu.holding.transaction_posted", "transaction_id", "transactions", "id"),
    ("openings", "kehu.holding.product_opened", "opening_id", "openings", "id"),
    ("contact decisions", "kehu.campaign.contact_decided", "decision_id", "decisions", "id"),
    ("new complaints", "kehu.complaint.received", "complaint_id", "complaints", "complaint_id"),
)
"""Event type, the field of its body and the column that must have the same values, each as often."""

_TIMELINE: Final = {
    "kehu.customer.registered": "customer_registered",
    "kehu.customer.ownership_changed": "ownership_changed",
    "kehu.customer.consent_changed": "consent_changed",
    "kehu.customer.interaction_recorded": "interaction",
    "kehu.holding.account_stated": "account_opened",
    "kehu.holding.product_opened": "product_opened",
    "kehu.complaint.received": "complaint_received",
    "kehu.complaint.state_changed": "complaint_state_changed",
    "kehu.segment.membership_entered": "segment_entered",
    "kehu.segment.membership_left": "segment_left",
    "kehu.segment.tier_changed": "tier_changed",
    "kehu.campaign.contact_decided": "campaign_contact_allowed",
    "kehu.campaign.delivery_changed": "campaign_delivery",
    "kehu.campaign.converted": "campaign_converted",
}
