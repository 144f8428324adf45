"""Would a change of a schema break whoever goes by the released one?

An event's readers are the consumers of an earlier version, and we ourselves, since topics keep events for ever. An
inbound message's writers are the bank's systems, which go on sending what the earlier version allowed.

- A contract or a field is not removed, and a contract stays on its topic.
- A field's type is not narrowed: what was valid stays valid (a value leaves no enumeration, no limit tightens).
- No field becomes required, and a new field is not: bank systems do not send it, and events that stand on the topic
  lack it.
- On events a type is not widened either, but for new values of an enumeration: a consumer would meet what it cannot read;
  nor does a field that was always there become optional.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

__all__ = ["breaks", "broken_contracts"]

Schema = Mapping[str, Any]

_LOWER: Final = ("minLength", "minItems", "minimum", "exclusiveMinimum")
_UPPER: Final = ("maxLength", "maxItems", "maximum", "exclusiveMaximum")


def broken_contracts(released: Mapping[str, Schema], current: Mapping[str, Schema]) -> list[str]:
    """Everything in which the current schemas break the released ones, one line each."""
    found = []
    for name, old in sorted(released.items()):
        if name not in current:
            found.append(f"{name}: the contract was removed")
        else:
            found += [f"{name}{place}" for place in breaks(old, current[name])]
    return found


def breaks(old: Schema, new: Schema) -> list[str]:
    """In what the new schema of a contract breaks the old one, as `/field: what`."""
    found = [
        f": {key} changed from {old.get(key)} to {new.get(key)}"
        for key in ("x-topic", "x-direction", "$id")
        if old.get(key) != new.get(key)
    ]
    comparison = _Comparison(old, new, is_event=old.get("x-direction") == "event")
    return found + list(comparison.objects("", old, new))


class _Comparison:
    def __init__(self, old: Schema, new: Schema, *, is_event: bool) -> None:
        self._old_definitions: Schema = old.get("$defs", {})
        self._new_definitions: Schema = new.get("$defs", {})
        self._is_event = is_event

    def objects(self, place: str, old: Schema, new: Schema) -> Iterator[str]:
        """Compare two objects field by field."""
        fields, now = old.get("properties", {}), new.get("properties", {})
        required, required_now = set(old.get("required", ())), set(new.get("required", ()))
        for field, definition in fields.items():
            if field not in now:
                yield f"{place}/{field}: the field was removed"
                continue
            if field in required_now - required:
                yield f"{place}/{field}: the field became required"
            if self._is_event and field in required - required_now:
                yield f"{place}/{field}: the field may now be missing"
            yield from self.types(f"{place}/{field}", definition, now[field])
        for field in now.keys() - fields.keys():
            if field in required_now:
                yield f"{place}/{field}: the field is new and required"

    def types(self, place: str, old: Schema, new: Schema) -> Iterator[str]:
        """Compare two types alternative by alternative."""
        before = self._alternatives(old, self._old_definitions)
        after = self._alternatives(new, self._new_definitions)
        for kind, alternative in before.items():
            if kind in after:
                yield from self._same_kind(place, alternative, after[kind])
            elif not (kind[0] == "integer" and ("number", None) in after and not self._is_event):
                yield f"{place}: the type was narrowed, {_name(kind)} is no longer valid"
        if self._is_event:
            for kind in after.keys() - before.keys():
                yield f"{place}: the type was widened, {_name(kind)} is new"

    def _same_kind(self, place: str, old: Schema, new: Schema) -> Iterator[str]:
        yield from self._enumerations(place, old, new)
        yield from _limits(place, old, new)
        if "properties" in old or "properties" in new:
            yield from self.objects(place, old, new)
        if "items" in old and "items" in new:
            yield from self.types(f"{place}/*", old["items"], new["items"])

    @staticmethod
    def _enumerations(place: str, old: Schema, new: Schema) -> Iterator[str]:
        if "enum" in new:
            if "enum" not in old:
                yield f"{place}: the type was narrowed to a list of values"
            for value in old.get("enum", ()):
                if value not in new["enum"]:
                    yield f"{place}: the value {value!r} was removed"

    def _alternatives(self, schema: Schema, definitions: Schema) -> dict[tuple[str, str | None], Schema]:
        """The alternatives of a type by JSON type and format."""
        if "$ref" in schema:
            return self._alternatives(definitions[schema["$ref"].rpartition("/")[2]], definitions)
        if "anyOf" in schema:
            found: dict[tuple[str, str | None], Schema] = {}
            for alternative in schema["anyOf"]:
                found |= self._alternatives(alternative, definitions)
            return found
        if "const" in schema:
            schema = {**schema, "enum": [schema["const"]]}
        return {(schema.get("type", "any"), schema.get("format")): schema}


def _limits(place: str, old: Schema, new: Schema) -> Iterator[str]:
    for limit in _LOWER:
        if limit in new and new[limit] > old.get(limit, float("-inf")):
            yield f"{place}: the type was narrowed, {limit} is now {new[limit]}"
    for limit in _UPPER:
        if limit in new and new[limit] < old.get(limit, float("inf")):
            yield f"{place}: the type was narrowed, {limit} is now {new[limit]}"
    if "pattern" in new and new["pattern"] != old.get("pattern"):
        yield f"{place}: the type was narrowed, the pattern is now {new['pattern']}"


def _name(kind: tuple[str, str | None]) -> str:
    return kind[0] if kind[1] is None else f"{kind[0]} ({kind[1]})"
