"""Makes one OpenAPI document of several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from kehu_chassis.problems import problems
from kehu_gateway.proxy.upstream import ServiceTimedOut

__all__ = ["Document", "merge"]

_METHODS: Final = frozenset({"get", "put", "post", "delete", "patch", "head", "options", "trace"})
_SCHEMAS: Final = "#/components/schemas/"
_OF_THE_GATEWAY: Final = {str(status): told for status, told in problems(429, 503, ServiceTimedOut).items()}
"""What every route may answer when it is called through the gateway: the limits, a service that is away or silent."""
_OF_WRITES: Final = {str(status): told for status, told in problems(408, 413, 415).items()}
"""What the gateway may answer to a body."""

Document = Mapping[str, Any]


def merge(documents: Mapping[str, Document], *, title: str, version: str) -> dict[str, Any]:
    """The paths and schemas of all documents in one.

    A schema whose name two services use for different things gets the service's name in front, and so does what refers to
    it; so does an operation id.
    A path that two documents have is taken from the first. The order of `documents` is that of the result.

    Args:
        documents: of each service by its name.
        title: of the result.
        version: of the result.
    """
    names = _schema_names(documents)
    operation_ids: set[str] = set()
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    security: dict[str, Any] = {}
    for service, document in documents.items():
        own = names[service]
        components = document.get("components", {})
        for name, schema in components.get("schemas", {}).items():
            schemas.setdefault(own[name], _renamed(schema, own))
        security.update(components.get("securitySchemes", {}))
        for path, item in document.get("paths", {}).items():
            if path not in paths:
                paths[path] = _renamed(item, own)
                _mark(paths[path], service, operation_ids)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": security},
    }


def _schema_names(documents: Mapping[str, Document]) -> dict[str, dict[str, str]]:
    schemas = {service: document.get("components", {}).get("schemas", {}) for service, document in documents.items()}
    users = Counter(name for own in schemas.values() for name in own)
    shared = {name: [own[name] for own in schemas.values() if name in own] for name in users if users[name] > 1}
    renamed = {name for name, meanings in shared.items() if any(meaning != meanings[0] for meaning in meanings)}
    # What refers to something renamed means another thing in each service too, though it reads the same.
    while found := {
        name
        for name, meanings in shared.items()
        if name not in renamed and not renamed.isdisjoint(_references(meanings[0]))
    }:
        renamed |= found
    return {
        service: {name: f"{service.capitalize()}{name}" if name in renamed else name for name in own}
        for service, own in schemas.items()
    }


def _references(value: Any) -> Iterator[str]:
    """The names of the schemas that a part of a document refers to."""
    if isinstance(value, Mapping):
        for key, entry in value.items():
            if key == "$ref" and isinstance(entry, str):
                yield entry.removeprefix(_SCHEMAS)
            else:
                yield from _references(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from _references(entry)


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {
            key: _SCHEMAS + names.get(entry[len(_SCHEMAS) :], entry[len(_SCHEMAS) :])
            if key == "$ref" and isinstance(entry, str) and entry.startswith(_SCHEMAS)
            else _renamed(entry, names)
            for key, entry in value.items()
        }
    if isinstance(value, list):
        return [_renamed(entry, names) for entry in value]
    return value


def _mark(item: dict[str, Any], service: str, taken: set[str]) -> None:
    for method, operation in item.items():
        if method in _METHODS:
            operation["x-service"] = service
            added = _OF_THE_GATEWAY if method == "get" else _OF_THE_GATEWAY | _OF_WRITES
            operation["responses"] = dict(sorted((added | operation.get("responses", {})).items()))
            identity = operation.get("operationId", method)
            if identity in taken:
                identity = f"{service}_{identity}"
            operation["operationId"] = identity
            taken.add(identity)
