"""What libraries log comes as JSON lines, and not as a flood."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog
import time_machine

from kehu_chassis.telemetry import configure_logging


@pytest.fixture
def _logging() -> Iterator[None]:
    """Put the logging of the tests back."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.mark.usefixtures("_logging")
def test_a_driver_that_complains_all_the_time_is_heard_once_in_a_while(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("probe")
    driver = logging.getLogger("aiokafka")
    with time_machine.travel("2026-03-02T09:00Z", tick=False) as traveller:
        for node in range(300):
            driver.error("Unable connect to node with id %s", node)
        driver.error("Unable to update metadata")
        traveller.shift(11)
        driver.error("Unable connect to node with id %s", 300)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["event"], line.get("repeated")) for line in lines] == [
        ("Unable connect to node with id 0", None),
        ("Unable to update metadata", None),
        ("Unable connect to node with id 300", 299),
    ]
