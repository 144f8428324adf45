"""The Berka files read by DuckDB alone: what Kehu must find in them. Shares no code with the product.

`Berka(folder)` holds the files with their dates and codes decoded; its methods give counts and control sums, the features of every
account owner with movements, and the members of the segment "gold card, or any balance of at least a threshold in the last
days", each as of a day. Windows of N days are `date > day - N` and `date <= day`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

WINDOWS = (30, 90, 365)

_LOAD = """
CREATE TABLE client AS SELECT client_id::int AS client_id, district_id::int AS district_id, birth_number
    FROM read_csv('{folder}/client.asc', delim = ';', header = true, all_varchar = true);
CREATE TABLE account AS SELECT account_id::int AS account_id, district_id::int AS district_id,
    strptime('19' || "date", '%Y%m%d')::date AS opened
    FROM read_csv('{folder}/account.asc', delim = ';', header = true, all_varchar = true);
CREATE TABLE disp AS SELECT disp_id::int AS disp_id, client_id::int AS client_id, account_id::int AS account_id, type
    FROM read_csv('{folder}/disp.asc', delim = ';', header = true, all_varchar = true);
CREATE TABLE card AS SELECT card_id::int AS card_id, disp_id::int AS disp_id, type,
    strptime('19' || issued[1:6], '%Y%m%d')::date AS issued
    FROM read_csv('{folder}/card.asc', delim = ';', header = true, all_varchar = true);
CREATE TABLE loan AS SELECT loan_id::int AS loan_id, account_id::int AS account_id,
    strptime('19' || "date", '%Y%m%d')::date AS granted, amount::decimal(20, 4) AS amount, duration::int AS months, status
    FROM read_csv('{folder}/loan.asc', delim = ';', header = true, all_varchar = true);
CREATE TABLE standing_order AS SELECT order_id::int AS order_id, account_id::int AS account_id,
    amount::decimal(20, 4) AS amount
    FROM read_csv('{folder}/order.asc', delim = ';', header = true, all_varchar = true);
CREATE TABLE movement AS SELECT trans_id::int AS trans_id, account_id::int AS account_id,
    strptime('19' || "date", '%Y%m%d')::date AS day, CASE type WHEN 'credit' THEN 'credit' ELSE 'debit' END AS kind,
    amount::decimal(20, 4) AS amount, balance::decimal(20, 4) AS balance
    FROM read_csv('{folder}/trans_feup_30200.csv', delim = ';', header = true, all_varchar = true);
CREATE TABLE owner AS SELECT client_id, account_id FROM disp WHERE type = 'OWNER';

-- Rows inside a day stand in no order. The day's last balance is the one that the day's net change leads to, within the
-- rounding of its rows; where several rows have it, it is the same number.
CREATE TABLE net AS
    SELECT account_id, day, sum(CASE kind WHEN 'credit' THEN amount ELSE -amount END) AS change
    FROM movement GROUP BY account_id, day;
"""

# The expected balance is chained from the real closing of the day before, so that roundings do not add up over the years.
_CLOSINGS = """
WITH RECURSIVE days AS (
    SELECT account_id, day, change, row_number() OVER (PARTITION BY account_id ORDER BY day) AS place FROM net
), chained AS (
    SELECT d.account_id, d.day, d.place, arg_min(m.balance, abs(m.balance - d.change)) AS closing
    FROM days AS d JOIN movement AS m ON m.account_id = d.account_id AND m.day = d.day
    WHERE d.place = 1 GROUP BY d.account_id, d.day, d.place
    UNION ALL
    SELECT d.account_id, d.day, d.place, arg_min(m.balance, abs(m.balance - c.closing - d.change)) AS closing
    FROM chained AS c
    JOIN days AS d ON d.account_id = c.account_id AND d.place = c.place + 1
    JOIN movement AS m ON m.account_id = d.account_id AND m.day = d.day
    GROUP BY d.account_id, d.day, d.place
)
SELECT account_id, day, closing FROM chained
"""


@dataclass(frozen=True)
class Window:
    """The movements of the last so many days."""

    count: int
    credit: Decimal
    debit: Decimal


@dataclass(frozen=True)
class Features:
    """What is to be found for one account owner."""

    windows: dict[int, Window]
    last_movement: date | None
    balance: Decimal | None
    cards: int
    loans_granted: int
    tenure_days: int


class Berka:
    """The files of a folder."""

    def __init__(self, folder: Path) -> None:
        self._db = duckdb.connect(":memory:")
        for statement in _LOAD.format(folder=folder).split(";\n"):
            if statement.strip():
                self._db.execute(statement)
        self._db.execute(f"CREATE TABLE closing AS {_CLOSINGS}")

    def close(self) -> None:
        """Let go of the files' copy."""
        self._db.close()

    def rows(self, sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """The rows of a query; tables: client, account, disp, card, loan, standing_order, movement, owner, closing."""
        found: list[tuple[Any, ...]] = self._db.execute(sql, list(arguments)).fetchall()
        return found

    def counts(self) -> dict[str, int]:
        """How many rows each file has."""
        names = ("client", "account", "disp", "card", "loan", "standing_order", "movement")
        return {name: self.rows(f"SELECT count(*) FROM {name}")[0][0] for name in names}  # noqa: S608  our names

    def control_sums(self) -> dict[str, Decimal]:
        """Sums over the files that must come out again."""
        return {
            "credits": self.rows("SELECT sum(amount) FROM movement WHERE kind = 'credit'")[0][0],
            "debits": self.rows("SELECT sum(amount) FROM movement WHERE kind = 'debit'")[0][0],
            "balances_after": self.rows("SELECT sum(balance) FROM movement")[0][0],
            "loans": self.rows("SELECT sum(amount) FROM loan")[0][0],
            "standing_orders": self.rows("SELECT sum(amount) FROM standing_order")[0][0],
        }

    def features(self, day: date) -> dict[int, Features]:
        """The features of every owner of an account with movements, by client."""
        windows: dict[int, dict[int, Window]] = {}
        for days in WINDOWS:
            for client, number, credit, debit in self.rows(
                "SELECT o.client_id, count(m.trans_id),"
                " coalesce(sum(m.amount) FILTER (WHERE m.kind = 'credit'), 0),"
                " coalesce(sum(m.amount) FILTER (WHERE m.kind = 'debit'), 0)"
                " FROM owner AS o LEFT JOIN movement AS m ON m.account_id = o.account_id AND m.day > $2::date - $1::int"
                " AND m.day <= $2 WHERE o.account_id IN (SELECT account_id FROM movement) GROUP BY o.client_id",
                days,
                day,
            ):
                windows.setdefault(client, {})[days] = Window(number, credit, debit)
        others = self.rows(
            "SELECT o.client_id, (SELECT max(day) FROM movement WHERE account_id = o.account_id AND day <= $1),"
            " (SELECT arg_max(closing, day) FROM closing WHERE account_id = o.account_id AND day <= $1),"
            " (SELECT count(*) FROM card JOIN disp USING (disp_id) WHERE client_id = o.client_id AND issued <= $1),"
            " (SELECT count(*) FROM loan WHERE account_id = o.account_id AND granted <= $1),"
            " date_diff('day', a.opened, $1) FROM owner AS o JOIN account AS a USING (account_id)",
            day,
        )
        return {
            client: Features(windows[client], last, balance, cards, loans, tenure)
            for client, last, balance, cards, loans, tenure in others
            if client in windows
        }

    def gold_or_rich(self, day: date, *, days: int = 90, threshold: int = 100_000) -> set[int]:
        """Clients with a gold card, or who own an account with any balance of at least the threshold in the last days."""
        found = self.rows(
            "SELECT client_id FROM card JOIN disp USING (disp_id) WHERE card.type = 'gold' AND issued <= $1"
            " UNION SELECT o.client_id FROM owner AS o JOIN movement AS m USING (account_id)"
            " WHERE m.balance >= $3 AND m.day > $1::date - $2::int AND m.day <= $1",
            day,
            days,
            threshold,
        )
        return {client for (client,) in found}

    def highest_balance(self, client: int, day: date, *, days: int = 90) -> Decimal | None:
        """The highest balance after any movement of a client's own account in the last days."""
        highest: Decimal | None = self.rows(
            "SELECT max(m.balance) FROM owner AS o JOIN movement AS m USING (account_id)"
            " WHERE o.client_id = $1 AND m.day > $2::date - $3::int AND m.day <= $2",
            client,
            day,
            days,
        )[0][0]
        return highest
