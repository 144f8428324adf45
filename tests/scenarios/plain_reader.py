"""A consumer such as another team of the bank would write: aiokafka, JSON Schema, and none of Kehu's code.

`plain_topics` reads every event there is; this says what breaks the published contract.
"""

from __future__ import annotations

import json
import re
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from jsonschema import Draft202012Validator, FormatChecker

from .plain_topics import Record

REQUIRED_HEADERS = (
    "ce_specversion",
    "ce_id",
    "ce_type",
    "ce_source",
    "ce_time",
    "ce_subject",
    "ce_dataschema",
    "ce_sequence",
)
TRACEPARENT = re.compile(r"^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$")


@dataclass
class Reading:
    """All records of some topics, and what was wrong with them."""

    records: list[Record] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def of_type(self, event_type: str) -> list[Record]:
        """The records of one event type, without those that stand a second time."""
        seen: set[str] = set()
        found = []
        for record in self.records:
            if record.headers.get("ce_type") == event_type and record.headers["ce_id"] not in seen:
                seen.add(record.headers["ce_id"])
                found.append(record)
        return found


def load_schemas(folder: Path) -> dict[str, Draft202012Validator]:
    """The published schemas by event type; each file is named for its type."""
    validators = {}
    for file in sorted(folder.glob("*.json")):
        schema = json.loads(file.read_text(encoding="utf-8"))
        Draft202012Validator.check_schema(schema)
        validators[file.stem] = Draft202012Validator(schema, format_checker=FormatChecker())
    return validators


def check(records: list[Record], schemas: dict[str, Draft202012Validator]) -> Reading:
    """Hold records against the published contract: headers, payloads, order and gaps."""
    reading = Reading(records=records)
    for record in records:
        reading.faults.extend(f"{record.place}: {fault}" for fault in _faults_of_one(record, schemas))
    reading.faults.extend(_faults_of_order(records))
    return reading


def _faults_of_one(record: Record, schemas: dict[str, Draft202012Validator]) -> Iterator[str]:
    missing = [name for name in REQUIRED_HEADERS if name not in record.headers]
    if missing:
        yield f"headers missing: {missing}"
        return
    headers = record.headers
    if headers["ce_specversion"] != "1.0":
        yield f"ce_specversion {headers['ce_specversion']}"
    if uuid.UUID(headers["ce_id"]).version != 7:
        yield "ce_id is no UUIDv7"
    if datetime.fromisoformat(headers["ce_time"]).tzinfo is None:
        yield "ce_time has no zone"
    if "traceparent" in headers and not TRACEPARENT.match(headers["traceparent"]):
        yield "traceparent is malformed"
    validator = schemas.get(headers["ce_type"])
    if validator is None:
        yield f"no schema is published for {headers['ce_type']}"
        return
    for error in validator.iter_errors(json.loads(record.body)):
        yield f"{headers['ce_type']}: {error.json_path}: {error.message}"


def _faults_of_order(records: list[Record]) -> Iterator[str]:
    """Per topic and subject, after dropping repeated ids, `ce_sequence` runs 1, 2, 3 … in the order of the topic."""
    seen: set[str] = set()
    last: dict[tuple[str, str], int] = defaultdict(int)
    places: dict[tuple[str, str], set[int]] = defaultdict(set)
    compacted = {record.topic for record in records if record.topic.endswith("-state.v1")}
    for record in sorted(records, key=lambda record: (record.topic, record.partition, record.offset)):
        if record.headers["ce_id"] in seen:
            continue
        seen.add(record.headers["ce_id"])
        subject = (record.topic, record.headers["ce_subject"])
        places[subject].add(record.partition)
        sequence = int(record.headers["ce_sequence"])
        expected = last[subject] + 1
        # Compaction takes older states away: what remains still rises.
        broken = sequence < expected if record.topic in compacted else sequence != expected
        if broken:
            yield f"{record.place}: subject {subject[1]} has sequence {sequence} where {expected} was due"
        last[subject] = sequence
    for (topic, name), partitions in places.items():
        if len(partitions) > 1:
            yield f"{topic}: subject {name} stands in partitions {sorted(partitions)}"


def find_in_clear(records: list[Record], secrets: Iterable[str]) -> list[str]:
    """Places where one of the given personal values stands in clear."""
    wanted = [secret.encode() for secret in secrets]
    return [
        record.place
        for record in records
        for secret in wanted
        if secret in record.body or any(secret in value.encode() for value in record.headers.values())
    ]
