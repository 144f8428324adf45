"""Tables of parties. A column that ends in `_sealed` holds AES-256-GCM ciphertext under the party's own data key."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from kehu_chassis.columns import Text, id_column, instant, version
from kehu_customer.metadata import metadata

__all__ = ["contact_points", "customers", "party_names"]

customers = Table(
    "customers",
    metadata,
    id_column("id"),
    # The business number printed on letters; given once by the database, never changed.
    Column("customer_number", Text, nullable=False, unique=True, server_default=text("next_customer_number()")),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("gender", Text, nullable=False),
    Column("birth_year", SmallInteger),
    Column("nationality", Text),
    Column("industry", Text),
    Column("occupation", Text),
    Column("language", Text, nullable=False),
    # Owning unit and primary RM as they stand today; the ownership feature keeps the history and writes both.
    Column("unit_id", Uuid),
    Column("primary_rm_id", Uuid),
    # The customer that this one is merged into; itself when it is not merged.
    Column("survivor_id", Uuid, ForeignKey("customers.id"), nullable=False),
    Column("customer_since", Date, nullable=False),
    # The party's data key, wrapped by the key-encryption key that `key_id` names. Without it nothing sealed can be read.
    Column("key_id", Text, nullable=False),
    Column("wrapped_key", LargeBinary, nullable=False),
    Column("name_sealed", LargeBinary, nullable=False),
    Column("birth_date_sealed", LargeBinary),
    Column("employer_sealed", LargeBinary),
    version(),
    instant("created_at"),
    instant("updated_at"),
    Index("customers_unit_id_idx", "unit_id", "id"),
    Index("customers_primary_rm_id_idx", "primary_rm_id", "id"),
    Index("customers_merged_idx", "survivor_id", postgresql_where=text("survivor_id <> id")),
)

party_names = Table(
    "party_names",
    metadata,
    id_column("id"),
    Column("customer_id", Uuid, ForeignKey("customers.id"), nullable=False),
    Column("type", Text, nullable=False),
    Column("name_sealed", LargeBinary, nullable=False),
    # Keyed search tokens of the name; what may be found stands in search/rules.py.
    Column("tokens", ARRAY(Integer), nullable=False),
    Column("index_version", SmallInteger, nullable=False),
    instant("created_at"),
    instant("ended_at", nullable=True),
    Index("party_names_customer_id_idx", "customer_id"),
    Index("party_names_tokens_idx", "tokens", postgresql_using="gin"),
)

contact_points = Table(
    "contact_points",
    metadata,
    id_column("id"),
    Column("customer_id", Uuid, ForeignKey("customers.id"), nullable=False),
    Column("type", Text, nullable=False),
    Column("value_sealed", LargeBinary, nullable=False),
    Column("value_index", LargeBinary, nullable=False),
    Column("index_version", SmallInteger, nullable=False),
    Column("division_code", Text),
    Column("is_primary", Boolean, nullable=False),
    instant("verified_at", nullable=True),
    version(),
    instant("created_at"),
    instant("ended_at", nullable=True),
    Index("contact_points_customer_id_idx", "customer_id"),
    Index("contact_points_value_index_idx", "value_index"),
)
