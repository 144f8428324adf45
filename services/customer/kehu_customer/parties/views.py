"""Rows as what the caller may see of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from kehu_chassis.auth import Principal
from kehu_contracts.codes import PartyKind
from kehu_customer.identity.rules import standing
from kehu_customer.parties.drafts import PartyDraft, RegisteredParty
from kehu_customer.parties.rules import mask_birth_date, mask_contact, mask_document_number, mask_name, sees_names
from kehu_customer.parties.sealing import BIRTH_DATE, CONTACT, CUSTOMER_NAME, DOCUMENT, EMPLOYER, NAME
from kehu_customer.vault import Vault

__all__ = ["View"]

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class View:
    """Opens rows for a caller: names in clear or masked by role, all else masked; `clear` shows what a reveal asked for."""

    vault: Vault
    clear_names: bool

    @classmethod
    def of(cls, vault: Vault, principal: Principal) -> View:
        """What this caller sees."""
        return cls(vault, sees_names(principal.roles))

    def customer(self, row: Row) -> dict[str, Any]:
        """A customer's row with its name."""
        return {**row, "name": self._shown_name(row)}

    def summary(self, row: Row) -> dict[str, Any]:
        """What a list shows of a customer's row: lists are long, so no more than that is taken out of it."""
        return {
            "id": row["id"],
            "customer_number": row["customer_number"],
            "kind": row["kind"],
            "status": row["status"],
            "name": self._shown_name(row),
            "gender": row["gender"],
            "birth_year": row["birth_year"],
            "unit_id": row["unit_id"],
            "primary_rm_id": row["primary_rm_id"],
            "survivor_id": row["survivor_id"],
            "customer_since": row["customer_since"],
            "version": row["version"],
        }

    def _shown_name(self, row: Row) -> str:
        name = self.vault.open(self.vault.key_of(row), row["name_sealed"], CUSTOMER_NAME, row["id"])
        return name if self.clear_names else mask_name(name, PartyKind(row["kind"]))

    def registered(self, party: RegisteredParty, draft: PartyDraft, at: datetime) -> dict[str, Any]:
        """A customer that has just been registered, as its row now stands."""
        return {
            "id": party.customer_id,
            "customer_number": party.customer_number,
            "kind": draft.kind,
            "status": draft.status,
            "gender": draft.gender,
            "nationality": draft.nationality,
            "industry": draft.industry,
            "occupation": draft.occupation,
            "language": draft.language,
            "customer_since": draft.customer_since,
            "name": draft.name if self.clear_names else mask_name(draft.name, draft.kind),
            "birth_year": draft.birth_date.year if draft.birth_date else None,
            "unit_id": party.unit_id,
            "primary_rm_id": party.primary_rm_id,
            "survivor_id": party.customer_id,
            "version": party.version,
            "created_at": at,
            "updated_at": at,
        }

    def name(self, customer: Row, row: Row) -> dict[str, Any]:
        """A name's row with the name."""
        name = self.clear_name(customer, row)["name"]
        return {**row, "name": name if self.clear_names else mask_name(name, PartyKind(customer["kind"]))}

    def contact_point(self, customer: Row, row: Row) -> dict[str, Any]:
        """A contact point's row with its value, masked."""
        return self.masked_contact_point(row, self.clear_contact_point(customer, row)["value"])

    def masked_contact_point(self, row: Row, value: str) -> dict[str, Any]:
        """A contact point's row with a value that is known, masked."""
        return {**row, "value": mask_contact(row["type"], value)}

    def document(self, customer: Row, row: Row, on: date) -> dict[str, Any]:
        """A document's row with its number, masked, and how it stands."""
        return self.masked_document(row, self.clear_document(customer, row)["number"], on)

    def masked_document(self, row: Row, number: str, on: date) -> dict[str, Any]:
        """A document's row with a number that is known, masked, and how it stands."""
        held = standing(row["valid_from"], row["valid_until"], long_term=row["long_term"], on=on)
        return {**row, "number": mask_document_number(number), "standing": held}

    def profile(self, row: Row) -> dict[str, Any]:
        """Birth date and employer of a customer's row, masked."""
        key = self.vault.key_of(row)
        birth_date = self.vault.open_optional(key, row["birth_date_sealed"], BIRTH_DATE, row["id"])
        employer = self.vault.open_optional(key, row["employer_sealed"], EMPLOYER, row["id"])
        return {
            "birth_date": mask_birth_date(date.fromisoformat(birth_date)) if birth_date else None,
            "employer": employer if self.clear_names else None,
        }

    def clear_name(self, customer: Row, row: Row) -> dict[str, Any]:
        """A name's row with the name in clear."""
        key = self.vault.key_of(customer)
        return {**row, "name": self.vault.open(key, row["name_sealed"], NAME, row["id"])}

    def clear_contact_point(self, customer: Row, row: Row) -> dict[str, Any]:
        """A contact point's row with its value in clear."""
        key = self.vault.key_of(customer)
        return {**row, "value": self.vault.open(key, row["value_sealed"], CONTACT, row["id"])}

    def clear_document(self, customer: Row, row: Row) -> dict[str, Any]:
        """A document's row with its number in clear."""
        key = self.vault.key_of(customer)
        return {**row, "number": self.vault.open(key, row["number_sealed"], DOCUMENT, row["id"])}

    def clear_customer(self, row: Row, fields: Collection[str]) -> dict[str, Any]:
        """The sealed attributes of a customer's row that were asked for, in clear."""
        key = self.vault.key_of(row)
        places = {"name": CUSTOMER_NAME, "birth_date": BIRTH_DATE, "employer": EMPLOYER}
        return {
            field: self.vault.open_optional(key, row[f"{field}_sealed"], place, row["id"]) if field in fields else None
            for field, place in places.items()
        }
