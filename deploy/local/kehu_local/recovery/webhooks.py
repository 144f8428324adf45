"""What the gateway has for partner systems, against its log of events: no message is missing, doubled or empty."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["DELIVERIES"]

# An endpoint that was changed since it was registered may have wanted other events before. One that was registered
# while an event was logged may have it or not; the time in its id is the machine's, as that of the log.
_MISSING: Final = """
SELECT e.event_id, w.webhook_id FROM gateway.webhooks w
JOIN gateway.live_events e ON e.type = ANY (w.event_types)
    AND e.kept_at > uuid_extract_timestamp(w.webhook_id) + interval '1 minute'
LEFT JOIN gateway.webhook_deliveries d ON d.webhook_id = w.webhook_id AND d.event_id = e.event_id
WHERE w.active AND w.version = 1 AND d.delivery_id IS NULL
ORDER BY e.position
"""
_DOUBLED: Final = """
SELECT event_id, webhook_id FROM gateway.webhook_deliveries GROUP BY event_id, webhook_id HAVING count(*) > 1
"""
_EMPTY: Final = """
SELECT delivery_id FROM gateway.webhook_deliveries WHERE state <> 'delivered' AND body IS NULL
"""
_OTHER: Final = """
SELECT d.delivery_id FROM gateway.webhook_deliveries d JOIN gateway.live_events e ON e.event_id = d.event_id
WHERE (d.type, d.subject, d.sequence, d.at) IS DISTINCT FROM (e.type, e.subject, e.sequence, e.at)
    OR d.body IS DISTINCT FROM e.body AND d.body IS NOT NULL
"""

DELIVERIES: Final[Mapping[str, str]] = {
    "every webhook has its events": _MISSING,
    "every webhook has them once": _DOUBLED,
    "what is to be sent can be sent": _EMPTY,
    "what is sent is what was logged": _OTHER,
}
"""By what must hold: the query that finds where it does not."""
