"""`python -m tests.faults`: the long form of the campaign, as `make faults N=1000 SEED=7` runs it."""

from __future__ import annotations

import argparse
import asyncio
import logging
import secrets
import time
from functools import partial

from .campaign import Campaign, open_scene
from .suite import FaultySuite


async def _run(number: int, seed: int, minutes: float | None) -> None:
    say = partial(print, flush=True)
    say(f"{number} faults from seed {seed}")
    until = None if minutes is None else time.monotonic() + minutes * 60
    with FaultySuite() as suite:
        if suite.disk is None:
            say("This machine lets us mount no disk for the broker, so none is filled.")
        async with open_scene(suite, seed) as scene:
            campaign = Campaign(scene, seed, say)
            try:
                done = await campaign.run(number, until)
            finally:
                say(campaign.table())
            failures = ", ".join(f"{kind} {count}" for kind, count in scene.clients.failures.most_common())
            repeated = sum(sent.repeated for sent in scene.clients.sent)
            say(f"seed {seed}: {done} faults, nothing lost, doubled or out of order; dead letters hold the poison")
            say(
                f"writes {len(scene.clients.sent)}, of them answered to a later try {repeated}; failed tries: {failures}"
            )
            say(f"events {len(scene.checker.topics.events)}, of them written again {scene.checker.topics.repeated}")
            say(f"slowest agreement {max(campaign.converged):.1f} s after the last fault of its group")


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description="Try a whole suite by faults drawn from a seed.")
    parser.add_argument("--faults", type=int, default=40)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--minutes", type=float, help="begin no group of faults after so long")
    given = parser.parse_args()
    # The driver tells of every connection that is lost, and here that is the point.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    asyncio.run(_run(given.faults, given.seed, given.minutes))


if __name__ == "__main__":
    main()
