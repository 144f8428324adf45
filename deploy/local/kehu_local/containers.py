"""The jobs that prepare a suite of containers: `python -m kehu_local.containers secrets | stores`.

`secrets` makes passwords and keys once and writes for each process what it starts with, into the volume of that process
alone. `stores` then makes database, roles, schemas and topics. Both may run again at every start.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from kehu_local.failures import Failed
from kehu_local.secrets import Secrets
from kehu_local.store import provision
from kehu_local.topics import apply_topics
from kehu_local.volumes import LEDGERS, SECRETS, plan_of, write_secrets

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Run the named job."""
    jobs = {"secrets": write_secrets, "stores": make_stores}
    try:
        jobs[arguments[0]](SECRETS, LEDGERS)
    except Failed as failure:
        sys.stderr.write(f"kehu: {failure.cause}\n      {failure.remedy}\n")
        return 1
    return 0


def make_stores(folder: Path, ledgers: Path) -> None:
    """Make database, roles, schemas and topics."""
    plan = plan_of(folder, ledgers)
    asyncio.run(provision(plan, Secrets.load_or_make(plan)))
    for change in asyncio.run(apply_topics(plan.kafka_bootstrap)):
        sys.stdout.write(f"{change.topic}: {change.what}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
