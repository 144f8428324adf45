"""JSON Schemas (draft 2020-12) of the contracts, as other teams of the bank get them.

A schema says what a message holds and leaves it open what else: a consumer ignores what it does not know, so that a
producer may add a field. Our own producers cannot, since their models refuse it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic import BaseModel

from kehu_contracts.bank import PartyIdentity
from kehu_contracts.base import CONTRACTS, Contract, Event

__all__ = ["ENCLOSED", "NotesOf", "schema_of", "schemas"]

ENCLOSED: Final[Mapping[str, type[Contract]]] = {"bank.party.identity": PartyIdentity}
"""What travels within another message: the plaintext of a JWE."""

NotesOf = Callable[[type[BaseModel]], Mapping[str, str]]
"""Gives what the source says of each field of a model."""


def schemas(notes_of: NotesOf) -> dict[str, dict[str, Any]]:
    """Every schema by the name of its file, which is the event type."""
    models = {**CONTRACTS, **ENCLOSED}
    return {name: schema_of(name, models[name], notes_of) for name in sorted(models)}


def schema_of(name: str, model: type[Contract], notes_of: NotesOf) -> dict[str, Any]:
    """The schema of one contract. `x-topic` is where it is found, `x-direction` whether Kehu sends or receives it."""
    outbound = issubclass(model, Event)
    body = model.model_json_schema(mode="serialization" if outbound else "validation")
    _describe(body, model, notes_of)
    definitions = body.pop("$defs", {})
    for found in _models_within(model):
        if found.__name__ in definitions:
            _describe(definitions[found.__name__], found, notes_of)
    schema: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": model.dataschema() if name in CONTRACTS else f"urn:kehu:schema:{name}:{model.version}",
        "title": model.__name__,
        "description": body["description"],
        "x-direction": "event" if outbound else "inbound",
    }
    if name in CONTRACTS:
        schema["x-topic"] = model.topic
    schema |= {"type": "object", "properties": body["properties"], "required": body.get("required", [])}
    if definitions:
        schema["$defs"] = dict(sorted(definitions.items()))
    opened: dict[str, Any] = _open(schema)
    return opened


def _describe(schema: dict[str, Any], model: type[BaseModel], notes_of: NotesOf) -> None:
    notes = notes_of(model)
    for field, definition in schema.get("properties", {}).items():
        definition.pop("title", None)
        if field in notes:
            definition["description"] = notes[field]


def _models_within(model: type[BaseModel], seen: frozenset[type[BaseModel]] = frozenset()) -> set[type[BaseModel]]:
    found: set[type[BaseModel]] = set()
    for field in model.model_fields.values():
        for part in _parts(field.annotation):
            if isinstance(part, type) and issubclass(part, BaseModel) and part not in seen:
                found |= {part} | _models_within(part, seen | {part})
    return found


def _parts(annotation: Any) -> list[Any]:
    inner = getattr(annotation, "__args__", ())
    return [annotation, *(part for one in inner for part in _parts(one))]


def _open(schema: Any) -> Any:
    """Without the closing word that our strict producers' models state."""
    if isinstance(schema, dict):
        return {
            key: _open(value) for key, value in schema.items() if key != "additionalProperties" or value is not False
        }
    return [_open(item) for item in schema] if isinstance(schema, list) else schema
