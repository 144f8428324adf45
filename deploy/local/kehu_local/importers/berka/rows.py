"""The rows of the Berka files, as they stand there: separated by `;`, dates as YYMMDD, one header line."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from kehu_local.importers.berka.rules import read_birth_number, read_day

__all__ = [
    "FILES",
    "AccountRow",
    "CardRow",
    "ClientRow",
    "DispositionRow",
    "DistrictRow",
    "LoanRow",
    "OrderRow",
    "Row",
    "TransactionRow",
]


def _stripped(value: Any) -> Any:
    # A single blank stands for nothing, next to real nothing.
    return value.strip() or None if isinstance(value, str) else value


Key = Annotated[int, Field(gt=0)]
Day = Annotated[date, BeforeValidator(read_day)]
Amount = Annotated[Decimal, Field(ge=0, max_digits=14, decimal_places=2)]
Balance = Annotated[Decimal, Field(max_digits=14, decimal_places=2)]
Optional = Annotated[str | None, BeforeValidator(_stripped)]


class Row(BaseModel):
    """A line of a file. `line` is its number in the file, the header being 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: ClassVar[str]
    columns: ClassVar[tuple[str, ...]]

    line: int


class DistrictRow(Row):
    """A district; the columns A4 to A16 are demographics that the bank's systems do not know."""

    file: ClassVar[str] = "district.asc"
    columns: ClassVar[tuple[str, ...]] = tuple(f"A{number}" for number in range(1, 17))
    model_config = ConfigDict(frozen=True, extra="ignore")

    district_id: Annotated[Key, Field(alias="A1")]
    name: Annotated[str, Field(alias="A2", min_length=1)]
    region: Annotated[str, Field(alias="A3", min_length=1)]


class ClientRow(Row):
    """A client; the birth number tells date of birth and sex."""

    file: ClassVar[str] = "client.asc"
    columns: ClassVar[tuple[str, ...]] = ("client_id", "birth_number", "district_id")

    client_id: Key
    birth_number: Annotated[tuple[date, Literal["female", "male"]], BeforeValidator(read_birth_number)]
    district_id: Key


class AccountRow(Row):
    """An account."""

    file: ClassVar[str] = "account.asc"
    columns: ClassVar[tuple[str, ...]] = ("account_id", "district_id", "frequency", "date")

    account_id: Key
    district_id: Key
    frequency: Literal["POPLATEK MESICNE", "POPLATEK TYDNE", "POPLATEK PO OBRATU"]
    date: Day


class DispositionRow(Row):
    """A client's right to an account."""

    file: ClassVar[str] = "disp.asc"
    columns: ClassVar[tuple[str, ...]] = ("disp_id", "client_id", "account_id", "type")

    disp_id: Key
    client_id: Key
    account_id: Key
    type: Literal["OWNER", "DISPONENT"]


class CardRow(Row):
    """A card on a disposition."""

    file: ClassVar[str] = "card.asc"
    columns: ClassVar[tuple[str, ...]] = ("card_id", "disp_id", "type", "issued")

    card_id: Key
    disp_id: Key
    type: Literal["classic", "junior", "gold"]
    issued: Day


class LoanRow(Row):
    """A loan on an account; `duration` in months."""

    file: ClassVar[str] = "loan.asc"
    columns: ClassVar[tuple[str, ...]] = ("loan_id", "account_id", "date", "amount", "duration", "payments", "status")

    loan_id: Key
    account_id: Key
    date: Day
    amount: Amount
    duration: Annotated[int, Field(gt=0)]
    payments: Amount
    status: Literal["A", "B", "C", "D"]


class OrderRow(Row):
    """A standing order on an account; it has no date of its own."""

    file: ClassVar[str] = "order.asc"
    columns: ClassVar[tuple[str, ...]] = ("order_id", "account_id", "bank_to", "account_to", "amount", "k_symbol")

    order_id: Key
    account_id: Key
    bank_to: str
    account_to: str
    amount: Amount
    k_symbol: Optional


class TransactionRow(Row):
    """A movement. `type` has a third value that is a withdrawal too."""

    file: ClassVar[str] = "trans_feup_30200.csv"
    columns: ClassVar[tuple[str, ...]] = (
        "trans_id",
        "account_id",
        "date",
        "type",
        "operation",
        "amount",
        "balance",
        "k_symbol",
        "bank",
        "account",
    )

    trans_id: Key
    account_id: Key
    date: Day
    type: Literal["credit", "withdrawal", "withdrawal in cash"]
    operation: Optional
    amount: Amount
    balance: Balance
    k_symbol: Optional
    bank: Optional
    account: Optional


FILES: tuple[type[Row], ...] = (
    DistrictRow,
    ClientRow,
    AccountRow,
    DispositionRow,
    CardRow,
    LoanRow,
    OrderRow,
    TransactionRow,
)
"""Every file of the set, what others refer to before what refers to it."""
