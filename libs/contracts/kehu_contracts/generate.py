"""Writes what is generated from the contracts, and finds what differs or would break an earlier version."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from kehu_contracts.base import CONTRACTS
from kehu_contracts.compatibility import broken_contracts
from kehu_contracts.documents import asyncapi, events_page
from kehu_contracts.schemas import ENCLOSED, schemas

__all__ = ["Repository", "attribute_notes", "check", "generate", "release"]


@dataclass(frozen=True, slots=True)
class Repository:
    """Where things stand in a checkout."""

    root: Path

    @property
    def contracts(self) -> Path:
        """The folder of the contracts package."""
        return self.root / "libs" / "contracts"

    @property
    def released(self) -> Path:
        """One folder per released version, with its schemas."""
        return self.contracts / "released"

    def examples(self) -> dict[str, dict[str, Any]]:
        """The examples by event type."""
        folder = self.contracts / "examples"
        return {file.stem: json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))}

    def last_release(self) -> tuple[str, dict[str, dict[str, Any]]] | None:
        """The newest released version and its schemas."""
        versions = [folder.name for folder in self.released.iterdir()] if self.released.is_dir() else []
        if not versions:
            return None
        newest = max(versions, key=_order)
        files = sorted((self.released / newest).glob("*.json"))
        return newest, {file.stem: json.loads(file.read_text()) for file in files}

    def version(self) -> str:
        """The version that the generated documents name: the last released one."""
        last = self.last_release()
        return "0.0.0" if last is None else last[0]


@cache
def attribute_notes(model: type[BaseModel]) -> Mapping[str, str]:
    """What the source says of each field of a model: the text below it, the nearest class first."""
    notes: dict[str, str] = {}
    for base in model.__mro__:
        if not (issubclass(base, BaseModel) and base.__module__.startswith("kehu_contracts.")):
            continue
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        assert isinstance(tree, ast.ClassDef)
        for field, text in zip(tree.body, tree.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
                notes.setdefault(ast.unparse(field.target), inspect.cleandoc(str(text.value.value)))
    return notes


def generate(repository: Repository) -> list[Path]:
    """Write schemas and documents, remove schemas that no contract has any more, and tell which files changed."""
    changed = []
    for path, text in _expected(repository).items():
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            changed.append(path)
    for path in _stray(repository):
        path.unlink()
        changed.append(path)
    return changed


def check(repository: Repository) -> list[str]:
    """What is wrong, one line each: examples that do not fit, generated files that differ, contracts that would break."""
    wrong = _wrong_examples(repository)
    for path, text in _expected(repository).items():
        if not path.exists():
            wrong.append(f"{path.relative_to(repository.root)} is missing: run `python -m kehu_contracts generate`")
        elif path.read_text() != text:
            wrong.append(f"{path.relative_to(repository.root)} differs: run `python -m kehu_contracts generate`")
    wrong += [f"{path.relative_to(repository.root)} belongs to no contract" for path in _stray(repository)]
    last = repository.last_release()
    if last is not None:
        version, released = last
        wrong += [f"breaks version {version}: {line}" for line in broken_contracts(released, schemas(attribute_notes))]
    return wrong


def release(repository: Repository, version: str) -> Path:
    """Keep the schemas as they stand as those of a released version; from then on changes are held against them.

    Raises:
        FileExistsError: the version was released before.
        ValueError: it is no version, or not above the last one.
    """
    last = repository.last_release()
    if last is not None and _order(version) <= _order(last[0]):
        msg = f"{version} is not above {last[0]}, the last released version"
        raise ValueError(msg)
    _order(version)
    folder = repository.released / version
    folder.mkdir(parents=True)
    for name, schema in schemas(attribute_notes).items():
        (folder / f"{name}.json").write_text(_json(schema))
    return folder


def _expected(repository: Repository) -> dict[Path, str]:
    made, examples = schemas(attribute_notes), repository.examples()
    files = {repository.contracts / "schemas" / f"{name}.json": _json(schema) for name, schema in made.items()}
    files[repository.root / "docs" / "events.md"] = events_page(made, examples)
    files[repository.contracts / "asyncapi.yaml"] = asyncapi(made, examples, repository.version())
    return files


def _stray(repository: Repository) -> list[Path]:
    known = {*CONTRACTS, *ENCLOSED}
    return [file for file in sorted((repository.contracts / "schemas").glob("*.json")) if file.stem not in known]


def _wrong_examples(repository: Repository) -> list[str]:
    """Examples are held against the strict model: they show every field that is always there, and no other."""
    wrong = []
    models, examples = {**CONTRACTS, **ENCLOSED}, repository.examples()
    for name in sorted(models.keys() | examples.keys()):
        if name not in examples:
            wrong.append(f"libs/contracts/examples/{name}.json is missing")
        elif name not in models:
            wrong.append(f"libs/contracts/examples/{name}.json belongs to no contract")
        else:
            try:
                models[name].model_validate_json(json.dumps(examples[name]))
            except ValidationError as error:
                places = ", ".join("/".join(map(str, one["loc"])) for one in error.errors())
                wrong.append(f"libs/contracts/examples/{name}.json does not fit its contract: {places}")
    return wrong


_PARTS: Final = 3


def _order(version: str) -> tuple[int, ...]:
    parts = version.split(".")
    if len(parts) != _PARTS or not all(part.isdigit() for part in parts):
        msg = f"{version} is not a version such as 1.2.0"
        raise ValueError(msg)
    return tuple(int(part) for part in parts)


def _json(schema: Mapping[str, Any]) -> str:
    return json.dumps(schema, ensure_ascii=False, indent=2) + "\n"
