"""Each house rule catches its planted violation, leaves the mended form alone, and holds in the repository."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("house_rules", Path(__file__).with_name("house_rules.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["house_rules"] = module
    spec.loader.exec_module(module)
    return module


house_rules = _load()

SERVICE = "services/complaints/kehu_complaints/cases/service.py"
ROUTES = "services/complaints/kehu_complaints/cases/routes.py"
SCHEMAS = "services/complaints/kehu_complaints/cases/schemas.py"
MIGRATION = "services/complaints/migrations/versions/0001_first.py"

PLANTED = [
    ("commit_outside_the_chassis", SERVICE, "async def f(tx):\n    await tx.commit()\n"),
    ("wall_clock", SERVICE, "from datetime import datetime\nx = datetime.now()\n"),
    ("wall_clock", SERVICE, "from datetime import datetime\nx = datetime.utcnow()\n"),
    ("wall_clock", SERVICE, "from datetime import date\nx = date.today()\n"),
    ("sql_now_in_a_column", SERVICE, "x = func.now()\n"),
    ("sql_now_in_a_column", SERVICE, "x = Column('at', server_default=text('now()'))\n"),
    ("no_orm", SERVICE, "from sqlalchemy.orm import Session\n"),
    ("no_orm", SERVICE, "import sqlalchemy.ext.asyncio\n"),
    ("route_says_what_it_answers", ROUTES, "@router.get('/x')\nasync def f():\n    '''Doc.'''\n"),
    ("route_says_what_it_answers", ROUTES, "@router.get('/x', response_model=X)\nasync def f():\n    return 1\n"),
    ("output_without_defaults", SCHEMAS, "class CaseOut(Out):\n    number: str = ''\n"),
    ("output_without_defaults", SCHEMAS, "class CaseOut(Out):\n    number: str = Field(default='')\n"),
    ("output_without_defaults", SCHEMAS, "class CaseOut(Out):\n    number: str = Field('', description='x')\n"),
    ("f_string_in_a_log", SERVICE, "log.info(f'sent {x}')\n"),
    ("migration_is_careful", MIGRATION, "def upgrade():\n    op.execute(\"SET lock_timeout = '3s'\")\n"),
    (
        "migration_is_careful",
        MIGRATION,
        "def upgrade():\n    op.create_table('x')\n\ndef downgrade():\n    op.execute(\"SET lock_timeout = '3s'\")\n",
    ),
]

MENDED = [
    (SERVICE, "async def f(tx, now):\n    await tx.execute(statement)\n    log.info('case.closed', case_id=1)\n"),
    (ROUTES, "@router.get('/x', response_model=X)\nasync def f():\n    '''Doc.'''\n    return 1\n"),
    (SCHEMAS, "class CaseOut(Out):\n    kind: str = Field(description='x')\n"),
    (SCHEMAS, "class CaseOut(Out):\n    number: str\n\nclass CaseIn(In):\n    number: str = ''\n"),
    (
        MIGRATION,
        (
            "def upgrade():\n    op.execute(\"SET lock_timeout = '3s'\")\n\n"
            "def downgrade():\n    op.execute(\"SET lock_timeout = '3s'\")\n"
        ),
    ),
]


@pytest.mark.parametrize(("rule", "path", "source"), PLANTED)
def test_a_planted_violation_is_caught(rule: str, path: str, source: str) -> None:
    assert [violation.rule for violation in house_rules.violations(path, source)] == [rule]


@pytest.mark.parametrize(("path", "source"), MENDED)
def test_the_mended_form_passes(path: str, source: str) -> None:
    assert house_rules.violations(path, source) == []


def test_the_chassis_alone_may_commit() -> None:
    source = "async def f(tx):\n    await tx.commit()\n"
    assert house_rules.violations("libs/chassis/kehu_chassis/database.py", source) == []


def test_alembic_alone_may_have_an_engine() -> None:
    source = "from sqlalchemy.ext.asyncio import create_async_engine\n"
    assert house_rules.violations("libs/chassis/kehu_chassis/migrations.py", source) == []


def test_every_rule_has_a_planted_violation() -> None:
    assert {rule.__name__ for rule in house_rules.RULES} == {rule for rule, _path, _source in PLANTED}


def test_the_repository_breaks_no_rule() -> None:
    found = [
        violation
        for path, source in house_rules.repository_files()
        for violation in house_rules.violations(path, source)
    ]
    assert found == []
