"""`restore` in a suite of containers: a backup becomes a suite on servers that run and hold nothing yet.

A runner's suite is restored before its servers are made; here they were made first, and with them passwords and keys. The
backup's take their place, but for the password of PostgreSQL's superuser, which the server knows already.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

from kehu_local.lock import only_one
from kehu_local.plan import Plan, write_json
from kehu_local.recovery.backup import Say
from kehu_local.recovery.restore import Source, fill, opened, require_empty
from kehu_local.secrets import Secrets
from kehu_local.volumes import write_secrets

__all__ = ["restore_containers"]


def restore_containers(folder: Path, ledgers: Path, source: Source, say: Say) -> None:
    """Restore into the volumes of a new project, whose services are then started. Raises `Failed`.

    Nothing that was there is changed when the backup is not whole, or when the project holds a suite.
    """
    archive = opened(source, say)
    plan = write_secrets(folder, ledgers)
    with only_one(plan.run):
        asyncio.run(require_empty(plan, Secrets.load_or_make(plan)))
        _take_over(archive.keys / "secrets", plan)
        plan = write_secrets(folder, ledgers)
        asyncio.run(fill(plan, Secrets.load_or_make(plan), archive, source, say))
    say(f"Restored as of {archive.manifest['point']}; start it: docker compose up --wait")


def _take_over(secrets: Path, plan: Plan) -> None:
    superuser = Secrets.load_or_make(plan).superuser
    shutil.copytree(secrets, plan.secrets, dirs_exist_ok=True)
    passwords = plan.secrets / "passwords.json"
    write_json(passwords, json.loads(passwords.read_text(encoding="utf-8")) | {"superuser": superuser})
    for path in plan.secrets.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
