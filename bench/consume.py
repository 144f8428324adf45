"""One consumer in a process of its own: `python -m bench.consume`, told by the environment what to be.

`CONSUME_PEER=1` makes it the peer: one file of aiokafka and asyncpg that takes batches and sends PostgreSQL, for each, the very
statements that ours sends (recorded from it), parses the bodies as JSON and commits the offsets. Else it is the chassis's
consumer with the subscription of the complaints service that keeps the units of customers. Either prints one JSON line for each
batch: when it was begun and when its effect was committed, how many messages it had, and with `CONSUME_DELAYS=1` how many
milliseconds after their business time each of them took effect.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import uvloop

from bench.customers import STATES
from kehu_chassis.app import pass_over_what_stays
from kehu_chassis.clock import SystemClock
from kehu_chassis.consumer import Consumer, Message
from kehu_chassis.database import Database, Transaction
from kehu_chassis.kafka import Kafka
from kehu_complaints.directory.consumers import CUSTOMERS

NAME = os.environ["CONSUME_NAME"]
DSN = os.environ["CONSUME_DSN"]
BATCH = 1_000


def _kafka() -> Kafka:
    return Kafka(os.environ["CONSUME_KAFKA"])


def tell(began: float, count: int, delays: Sequence[float] = ()) -> None:
    """Print what became of a batch."""
    line = {"began": began, "ended": time.time(), "count": count, "delays": list(delays)}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


async def ours() -> None:
    """The chassis's consumer."""
    database = await Database.connect(DSN, schema="complaints")
    pass_over_what_stays()
    wants_delays = "CONSUME_DELAYS" in os.environ

    async def handle(tx: Transaction, messages: Sequence[Message]) -> None:
        began = time.time()
        await CUSTOMERS.handle(tx, messages)
        tx.on_commit(lambda: committed(began, messages))

    def committed(began: float, messages: Sequence[Message]) -> None:
        now = time.time()
        delays = [(now - message.time.timestamp()) * 1000 for message in messages] if wants_delays else []
        tell(began, len(messages), delays)

    subscription = replace(CUSTOMERS, name=NAME, handle=handle, max_batch=BATCH)
    await Consumer(database, _kafka(), "complaints", subscription, SystemClock()).run()


async def peer() -> None:
    """One file without a house."""
    claim, put = pickle.loads(bytes.fromhex(os.environ["CONSUME_STATEMENTS"]))  # noqa: S301  from the benchmark
    connection = await asyncpg.connect(DSN, server_settings={"search_path": "complaints, public"})
    consumer = _kafka().consumer(f"peer.{NAME}", [STATES], max_batch=BATCH)
    await consumer.start()
    while True:
        taken = await consumer.getmany(timeout_ms=500, max_records=BATCH)
        records = [record for batch in taken.values() for record in batch]
        if not records:
            continue
        began = time.time()
        headers = [dict(record.headers) for record in records]
        states = {state["customer_id"]: state for state in (json.loads(record.value) for record in records)}
        async with connection.transaction():
            await connection.fetchrow(
                claim,
                NAME,
                [UUID(given["ce_id"].decode()) for given in headers],
                [STATES] * len(records),
                [given["ce_subject"].decode() for given in headers],
                [int(given["ce_sequence"]) for given in headers],
                datetime.now(UTC),
            )
            columns = ("customer_id", "survivor_id", "unit_id", "primary_rm_id")
            await connection.execute(put, *([UUID(state[name]) for state in states.values()] for name in columns))
        await consumer.commit({place: batch[-1].offset + 1 for place, batch in taken.items()})
        tell(began, len(records))


if __name__ == "__main__":
    uvloop.run(peer() if "CONSUME_PEER" in os.environ else ours())
