"""Reads the files whole and checks them before anything is sent. What is wrong is told by file, line and column."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from kehu_local.failures import Failed
from kehu_local.importers.berka.rows import (
    AccountRow,
    CardRow,
    ClientRow,
    DispositionRow,
    DistrictRow,
    LoanRow,
    OrderRow,
    Row,
    TransactionRow,
)

__all__ = ["BerkaFiles", "BrokenFile", "read_files", "read_rows"]

AnyRow = TypeVar("AnyRow", bound=Row)


class BrokenFile(Failed):
    """A file cannot be what it should be."""

    def __init__(self, path: Path, what: str, *, line: int = 1, column: str | None = None) -> None:
        place = f"{path.name}, line {line}" + (f", column {column}" if column else "")
        super().__init__(f"{place}: {what}", f"Mend {path}; nothing was sent.")


@dataclass(frozen=True, slots=True)
class BerkaFiles:
    """The rows of all files; every reference in them has been followed."""

    districts: list[DistrictRow]
    clients: list[ClientRow]
    accounts: list[AccountRow]
    dispositions: list[DispositionRow]
    cards: list[CardRow]
    loans: list[LoanRow]
    orders: list[OrderRow]
    transactions: list[TransactionRow]

    @property
    def rows(self) -> int:
        """How many lines there are in all."""
        return sum(len(getattr(self, name)) for name in self.__slots__)


def read_files(folder: Path) -> BerkaFiles:
    """Read and check all files.

    Raises:
        BrokenFile: wrong columns, a line that cannot be read, a reference to what is not there, an empty file.
        Failed: the folder or a file of it is missing.
    """
    files = BerkaFiles(
        districts=read_rows(folder, DistrictRow, "district_id"),
        clients=read_rows(folder, ClientRow, "client_id"),
        accounts=read_rows(folder, AccountRow, "account_id"),
        dispositions=read_rows(folder, DispositionRow, "disp_id"),
        cards=read_rows(folder, CardRow, "card_id"),
        loans=read_rows(folder, LoanRow, "loan_id"),
        orders=read_rows(folder, OrderRow, "order_id"),
        transactions=read_rows(folder, TransactionRow, "trans_id"),
    )
    districts = {row.district_id for row in files.districts}
    clients = {row.client_id for row in files.clients}
    accounts = {row.account_id for row in files.accounts}
    _refer(folder, files.clients, "district_id", districts)
    _refer(folder, files.accounts, "district_id", districts)
    _refer(folder, files.dispositions, "client_id", clients)
    _refer(folder, files.dispositions, "account_id", accounts)
    _refer(folder, files.cards, "disp_id", {row.disp_id for row in files.dispositions})
    for rows in (files.loans, files.orders, files.transactions):
        _refer(folder, rows, "account_id", accounts)
    owned = {row.account_id for row in files.dispositions if row.type == "OWNER"}
    _refer(folder, files.accounts, "account_id", owned, what="has no owner in disp.asc")
    return files


def read_rows(folder: Path, model: type[AnyRow], key: str) -> list[AnyRow]:
    """The rows of one file; no two have the same key.

    Raises:
        BrokenFile: names line and column.
        Failed: there is no such file.
    """
    path = folder / model.file
    rows = list(_rows(path, model))
    if not rows:
        raise BrokenFile(path, "there is no row below the header", line=2)
    seen: set[int] = set()
    for row in rows:
        value: int = getattr(row, key)
        if value in seen:
            raise BrokenFile(path, f"{value} stands there twice", line=row.line, column=_column(model, key))
        seen.add(value)
    return rows


def _rows(path: Path, model: type[AnyRow]) -> Iterator[AnyRow]:
    lines = _lines(path)
    for number, line in enumerate(lines, start=1):
        fields = _fields(path, number, line)
        if number == 1:
            if tuple(fields) != model.columns:
                raise BrokenFile(path, *_wrong_header(model, fields))
            continue
        if len(fields) != len(model.columns):
            what = f"{len(fields)} columns instead of {len(model.columns)}"
            last = model.columns[min(len(fields), len(model.columns)) - 1]
            raise BrokenFile(path, what, line=number, column=last)
        yield _row(path, model, number, dict(zip(model.columns, fields, strict=True)))


def _lines(path: Path) -> list[bytes]:
    try:
        content = path.read_bytes()
    except OSError as error:
        remedy = "Name the folder that holds the Berka files: kehu import berka DIR"
        raise Failed(f"{path} cannot be read: {error.strerror}", remedy) from error
    if not content.strip():
        raise BrokenFile(path, "the file is empty")
    return content.splitlines()


def _fields(path: Path, number: int, line: bytes) -> list[str]:
    try:
        (fields,) = csv.reader([line.decode("ascii")], delimiter=";", quotechar='"', strict=True)
    except UnicodeDecodeError as error:
        column = str(line[: error.start].count(b";") + 1)
        raise BrokenFile(path, "a character that is not ASCII", line=number, column=column) from None
    except (csv.Error, ValueError) as error:
        raise BrokenFile(path, f"the line cannot be read: {error}", line=number, column="1") from None
    return fields


def _wrong_header(model: type[Row], fields: list[str]) -> tuple[str]:
    missing = [name for name in model.columns if name not in fields]
    foreign = [name for name in fields if name not in model.columns]
    told = [
        f"missing: {', '.join(missing)}" if missing else "",
        f"not known: {', '.join(foreign)}" if foreign else "",
        "" if missing or foreign else f"expected the order {';'.join(model.columns)}",
    ]
    return ("the columns are wrong; " + "; ".join(part for part in told if part),)


def _row(path: Path, model: type[AnyRow], number: int, fields: dict[str, str]) -> AnyRow:
    try:
        return model.model_validate({**fields, "line": number})
    except ValidationError as error:
        first = error.errors()[0]
        column = str(first["loc"][0])
        what = first["msg"].removeprefix("Value error, ")
        raise BrokenFile(path, f"{fields[column]!r}: {what}", line=number, column=column) from None


def _refer(
    folder: Path, rows: Sequence[Row], column: str, known: Collection[int], what: str = "is not in its own file"
) -> None:
    for row in rows:
        if (value := getattr(row, column)) not in known:
            raise BrokenFile(folder / row.file, f"{value} {what}", line=row.line, column=_column(type(row), column))


def _column(model: type[Row], name: str) -> str:
    return model.model_fields[name].alias or name
