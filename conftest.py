"""All tests run with the chassis's fixtures: databases, broker, clock, clients."""

pytest_plugins = ["kehu_chassis.testing.plugin"]
