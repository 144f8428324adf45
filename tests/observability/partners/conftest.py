"""The gateway, whose streams and webhooks have alerts of their own."""

from __future__ import annotations

import pytest

from kehu_chassis.definition import ServiceDefinition
from kehu_gateway.main import DEFINITION


@pytest.fixture(scope="session")
def definition() -> ServiceDefinition:
    return DEFINITION
