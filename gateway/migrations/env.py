"""Alembic's entry; the chassis knows the rest."""

from kehu_chassis.migrations import run_env

run_env()
