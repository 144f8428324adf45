"""The Berka files: read whole, checked by file, line and column, and stated as a core banking system would."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from kehu_contracts.bank import BankAccount, BankParty, BankTransaction, BankUnit, PartyIdentity
from kehu_contracts.codes import HolderRole, ProductClass
from kehu_local.cli import app
from kehu_local.failures import Failed
from kehu_local.importers.berka.files import BerkaFiles, BrokenFile, read_files
from kehu_local.importers.berka.play import import_berka
from kehu_local.importers.berka.statements import Fact, order_transactions, state_bank

DATA = Path(os.environ.get("KEHU_TEST_DATA", Path(__file__).parents[4] / "shared" / "data")) / "berka"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"the public data sets are not at {DATA}")

SMALL = {
    "district.asc": "A1;A2;A3;A4;A5;A6;A7;A8;A9;A10;A11;A12;A13;A14;A15;A16\n"
    '1;"Hl.m. Praha";"Prague";1;0;0;0;1;1;100.0;1;?;0.43;167;?;99107\n',
    "client.asc": '"client_id";"birth_number";"district_id"\n1;"706213";1\n2;"450204";1\n',
    "account.asc": '"account_id";"district_id";"frequency";"date"\n7;1;"POPLATEK MESICNE";930101\n',
    "disp.asc": '"disp_id";"client_id";"account_id";"type"\n1;1;7;"OWNER"\n2;2;7;"DISPONENT"\n',
    "card.asc": '"card_id";"disp_id";"type";"issued"\n3;1;"gold";931107 00:00:00\n',
    "loan.asc": '"loan_id";"account_id";"date";"amount";"duration";"payments";"status"\n'
    '5;7;930705;96396;12;8033.00;"B"\n',
    "order.asc": '"order_id";"account_id";"bank_to";"account_to";"amount";"k_symbol"\n'
    '9;7;"YZ";"87144583";2452.00;"SIPO"\n10;7;"ST";"1";1.00;" "\n',
    "trans_feup_30200.csv": "trans_id;account_id;date;type;operation;amount;balance;k_symbol;bank;account\n"
    "12;7;930102;withdrawal in cash;withdrawal in cash;200.00;800.00; ;;\n"
    "11;7;930102;credit;credit in cash;1000.00;1000.00;;;\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in SMALL.items():
        (tmp_path / name).write_bytes(content.replace("\n", "\r\n").encode())
    return tmp_path


def spoil(folder: Path, name: str, change: Callable[[str], str]) -> None:
    path = folder / name
    path.write_text(change(path.read_text(encoding="ascii")), encoding="utf-8")


@pytest.fixture(scope="module")
def berka() -> BerkaFiles:
    """The real files, read once."""
    if not DATA.is_dir():
        pytest.skip(f"the public data sets are not at {DATA}")
    return read_files(DATA)


def facts_of(files: BerkaFiles) -> tuple[list[Fact], list[PartyIdentity]]:
    sealed: list[PartyIdentity] = []

    def seal(identity: PartyIdentity) -> str:
        sealed.append(identity)
        return f"header..{len(sealed)}.text.tag"

    return list(state_bank(files, order_transactions(files), seal)), sealed


def test_every_row_becomes_a_statement_parents_first(folder: Path) -> None:
    facts, identities = facts_of(read_files(folder))
    stated = {fact.statement.source_id: fact.statement for fact in facts}
    places = {source_id: place for place, source_id in enumerate(stated)}
    assert places["BERKA"] < places["BERKA-1"] < places["client-1"] < places["account-7"] < places["card-3"]
    assert [(identity.name, identity.birth_date) for identity in identities] == [
        ("Client 1", date(1970, 12, 13)),
        ("Client 2", date(1945, 2, 4)),
    ]
    party, account, card = stated["client-2"], stated["account-7"], stated["card-3"]
    assert isinstance(party, BankParty)
    assert (party.gender, party.customer_since, party.unit_code) == ("male", date(1993, 1, 1), "BERKA-1")
    assert isinstance(account, BankAccount)
    assert [(holder.party_source_id, holder.role) for holder in account.holders] == [
        ("client-1", HolderRole.OWNER),
        ("client-2", HolderRole.DISPONENT),
    ]
    assert isinstance(card, BankAccount)
    assert (card.product_class, card.product_code, card.parent_source_id, card.opened_on) == (
        ProductClass.CARD,
        "gold",
        "account-7",
        date(1993, 11, 7),
    )
    loan, bill, other = stated["loan-5"], stated["order-9"], stated["order-10"]
    assert isinstance(loan, BankAccount)
    assert (loan.amount, loan.term_months, loan.status_code) == (Decimal(96396), 12, "B")
    assert isinstance(bill, BankAccount)
    assert isinstance(other, BankAccount)
    assert (bill.product_code, bill.amount, other.product_code) == ("household", Decimal("2452.00"), "other")


def test_movements_of_a_day_go_out_in_the_order_in_which_they_chain(folder: Path) -> None:
    facts, _ = facts_of(read_files(folder))
    moved = [fact for fact in facts if isinstance(fact.statement, BankTransaction)]
    told = [
        (fact.statement.source_id, fact.statement.kind, fact.statement.position, fact.statement.balance_after, fact.key)
        for fact in moved
        if isinstance(fact.statement, BankTransaction)
    ]
    assert told == [
        ("transaction-11", "credit", 0, Decimal("1000.00"), "account-7"),
        ("transaction-12", "debit", 1, Decimal("800.00"), "account-7"),
    ]
    assert moved[0].at < moved[1].at


BROKEN: list[tuple[str, Callable[[str], str], str]] = [
    ("client.asc", lambda text: text.replace("birth_number", "birthday"), "client.asc, line 1: the columns are wrong"),
    ("client.asc", lambda text: text.replace("client_id", "birth_number", 1), "client.asc, line 1"),
    ("account.asc", lambda text: text.replace("930101", "931301"), "account.asc, line 2, column date"),
    ("account.asc", lambda text: text.replace("POPLATEK MESICNE", "MENSUEL"), "account.asc, line 2, column frequency"),
    (
        "disp.asc",
        lambda text: text.replace("2;2;7", "2;9;7"),
        "disp.asc, line 3, column client_id: 9 is not in its own",
    ),
    ("disp.asc", lambda text: text.replace("2;2;7", "1;2;7"), "disp.asc, line 3, column disp_id: 1 stands there twice"),
    (
        "disp.asc",
        lambda text: text.replace("OWNER", "DISPONENT"),
        "account.asc, line 2, column account_id: 7 has no owner",
    ),
    ("district.asc", lambda text: text.replace('1;"Hl.', 'x;"Hl.'), "district.asc, line 2, column A1"),
    ("order.asc", lambda text: text.replace("2452.00", "many"), "order.asc, line 2, column amount"),
    ("order.asc", lambda text: text.replace(';"ST";"1"', ';"ST'), "order.asc, line 3"),
    ("order.asc", lambda text: text.replace(";1.00;", ";"), "order.asc, line 3, column amount: 5 columns instead of 6"),
    ("loan.asc", lambda text: text.replace("96396", "-1"), "loan.asc, line 2, column amount"),
    ("card.asc", lambda _: "", "card.asc, line 1: the file is empty"),
    ("card.asc", lambda text: text.splitlines()[0] + "\r\n", "card.asc, line 2: there is no row"),
    ("client.asc", lambda text: text.replace('"450204"', '"45\u00a004"'), "client.asc, line 3, column 2"),
    ("trans_feup_30200.csv", lambda text: text.replace("200.00;800", "1e9999;800"), "line 2, column amount"),
    ("trans_feup_30200.csv", lambda text: text.replace(";7;930102;c", ";8;930102;c"), "line 3, column account_id"),
]


@pytest.mark.parametrize(("name", "change", "told"), BROKEN)
def test_what_is_broken_is_named_by_file_line_and_column(
    folder: Path, name: str, change: Callable[[str], str], told: str
) -> None:
    spoil(folder, name, change)
    with pytest.raises(BrokenFile) as broken:
        read_files(folder)
    assert told in broken.value.cause
    assert "nothing was sent" in broken.value.remedy


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "loan.asc").unlink()
    with pytest.raises(Failed, match=r"loan\.asc cannot be read: No such file"):
        read_files(folder)


def test_a_dry_run_reads_and_counts(folder: Path) -> None:
    outcome = import_berka(None, folder, Console(quiet=True))
    assert (outcome.rows, outcome.broken_days) == (12, 0)
    printed = CliRunner().invoke(app, ["import", "berka", str(folder), "--dry-run"])
    assert printed.exit_code == 0
    assert "12 rows read" in printed.output
    assert "Nothing was sent" in printed.output


def test_the_whole_bank_is_stated_with_its_own_counts(berka: BerkaFiles) -> None:
    facts, identities = facts_of(berka)
    counts = Counter(type(fact.statement) for fact in facts)
    assert (counts[BankUnit], counts[BankParty], counts[BankTransaction]) == (78, 5369, 30200)
    products = Counter(fact.statement.product_class for fact in facts if isinstance(fact.statement, BankAccount))
    assert products == {
        ProductClass.CURRENT: 4500,
        ProductClass.CARD: 892,
        ProductClass.LOAN: 682,
        ProductClass.STANDING_ORDER: 6471,
    }
    women = sum(fact.statement.gender == "female" for fact in facts if isinstance(fact.statement, BankParty))
    assert women == 2645
    assert {identity.birth_date.year for identity in identities if identity.birth_date} == set(range(1911, 1988))


def test_every_ledger_of_the_bank_chains_within_a_tenth(berka: BerkaFiles) -> None:
    order = order_transactions(berka)
    assert (len(order.placed), order.broken_days) == (30200, 0)
    standing: dict[int, Decimal] = {}
    for row, _ in order.placed:
        change = row.amount if row.type == "credit" else -row.amount
        before = standing.get(row.account_id)
        assert before is None or abs(before + change - row.balance) <= Decimal("0.1")
        standing[row.account_id] = row.balance


@needs_data
def test_one_broken_line_in_the_middle_of_the_real_files_is_found(tmp_path: Path) -> None:
    copied = tmp_path / "berka"
    # Without their modes: the real files may be read-only.
    shutil.copytree(DATA, copied, copy_function=shutil.copyfile)
    path = copied / "trans_feup_30200.csv"
    lines = path.read_text(encoding="ascii").splitlines()
    lines[15_000] = lines[15_000].replace(";", ",", 1)
    path.write_text("\n".join(lines), encoding="ascii")
    with pytest.raises(BrokenFile, match=r"trans_feup_30200\.csv, line 15001"):
        read_files(copied)
