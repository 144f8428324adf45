"""Webhooks: events of the suite for partner systems, signed and sent until they are taken."""
