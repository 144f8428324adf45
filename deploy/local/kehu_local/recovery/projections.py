"""What each service keeps of another, beside what it is kept of: pairs of queries that must give the same rows.

Each pair is read in one snapshot. Rows are told by their first column.
"""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["PROJECTIONS", "Projection"]


class Projection(NamedTuple):
    """A projection, and the query of its source that gives the same rows."""

    name: str
    source: str
    projected: str


# What a live event may be about has a unit at the gateway, too: customers, complaints, campaigns.
_WHOSE: Final = {
    "gateway": "SELECT id, survivor_id, unit_id FROM customer.customers"
    " UNION ALL SELECT complaint_id, complaint_id, unit_id FROM complaints.complaints"
    " UNION ALL SELECT id, id, unit_id FROM campaigns.campaigns"
}


def _scope(service: str) -> tuple[Projection, ...]:
    return (
        Projection(
            f"{service}: units",
            "SELECT id, parent_id, active FROM customer.units",
            f"SELECT unit_id, parent_id, active FROM {service}.scope_units",  # noqa: S608  names of ours
        ),
        Projection(
            f"{service}: staff",
            "SELECT id, unit_id, active FROM customer.staff",
            f"SELECT staff_id, unit_id, active FROM {service}.scope_staff",  # noqa: S608  the same
        ),
        Projection(
            f"{service}: whose customers are whose",
            _WHOSE.get(service, "SELECT id, survivor_id, unit_id FROM customer.customers"),
            f"SELECT subject_id, survivor_id, unit_id FROM {service}.scope_subjects",  # noqa: S608  the same
        ),
    )


PROJECTIONS: Final = (
    *(
        pair
        for service in ("customer", "segmentation", "complaints", "campaigns", "gateway")
        for pair in _scope(service)
    ),
    Projection(
        "segmentation: customers",
        "SELECT id, customer_number, kind, status, gender, birth_year, unit_id, survivor_id, customer_since"
        " FROM customer.customers",
        "SELECT customer_id, customer_number, kind, status, gender, birth_year, unit_id, survivor_id, customer_since"
        " FROM segmentation.customers",
    ),
    Projection(
        "segmentation: holdings",
        "SELECT h.customer_id, h.account_id, h.role, a.product_class, a.product_code, a.currency, a.opened_on, a.closed_on"
        " FROM customer.account_holders h JOIN customer.accounts a ON a.id = h.account_id",
        "SELECT customer_id, account_id, holder_role, product_class, product_code, currency, opened_on, closed_on"
        " FROM segmentation.holdings",
    ),
    Projection(
        "campaigns: customers",
        "SELECT id, customer_number, kind, status, birth_year::int FROM customer.customers",
        "SELECT customer_id, customer_number, kind, status, birth_year FROM campaigns.customers",
    ),
    Projection(
        "campaigns: complaints",
        "SELECT complaint_id, customer_id, open FROM complaints.complaints WHERE customer_id IS NOT NULL",
        "SELECT complaint_id, customer_id, open FROM campaigns.complaints",
    ),
    Projection(
        "campaigns: segments",
        "SELECT segment_id, rule_version FROM segmentation.segments WHERE rule_version IS NOT NULL",
        "SELECT segment_id, rule_version FROM campaigns.segments",
    ),
    Projection(
        "campaigns: memberships",
        "SELECT segment_id, customer_id FROM segmentation.memberships WHERE valid_to IS NULL",
        "SELECT segment_id, customer_id FROM campaigns.memberships",
    ),
    Projection(
        "campaigns: products opened",
        "SELECT id, customer_id, product_code, amount, currency, opened_at FROM customer.product_openings",
        "SELECT opening_id, customer_id, product_code, amount, currency, opened_at FROM campaigns.openings",
    ),
)
