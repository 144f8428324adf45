"""Runs inside a suite of containers, where aiokafka is: sends the messages that stand on its standard input, in order.

`python produce.py BOOTSTRAP`; each line is JSON: topic, key, headers and body; key, the headers' values and body are in base64.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys

from aiokafka import AIOKafkaProducer


async def main(bootstrap: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True)
    await producer.start()
    try:
        for line in sys.stdin:
            told = json.loads(line)
            headers = [(name, base64.b64decode(value)) for name, value in told["headers"]]
            key, body = base64.b64decode(told["key"]), base64.b64decode(told["body"])
            await producer.send(told["topic"], body, key=key, headers=headers)
        await producer.flush()
    finally:
        await producer.stop()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
