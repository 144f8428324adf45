"""A change that breaks an earlier version is found: each kind planted, on small schemas and in a copy of the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, create_model

from kehu_contracts.compatibility import breaks, broken_contracts
from kehu_contracts.generate import Repository, release

ROOT = Path(__file__).parents[3]


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Fewer(StrEnum):
    RED = "red"


class More(StrEnum):
    RED = "red"
    BLUE = "blue"
    GREEN = "green"


class Part(BaseModel):
    number: int


class PartWithName(BaseModel):
    number: int
    name: str


class Optional(BaseModel):
    number: int
    name: str | None = None


def schema(direction: str, **fields: Any) -> dict[str, Any]:
    made: Any = {name: value if isinstance(value, tuple) else (value, ...) for name, value in fields.items()}
    return {"x-direction": direction, "x-topic": "t", **create_model("Thing", **made).model_json_schema()}


REFUSED_EVERYWHERE = [
    ({"a": str, "b": int}, {"a": str}, "/b: the field was removed"),
    ({"a": int}, {"a": str}, "/a: the type was narrowed, integer is no longer valid"),
    ({"a": int | None}, {"a": int}, "/a: the type was narrowed, null is no longer valid"),
    ({"a": str}, {"a": Colour}, "/a: the type was narrowed to a list of values"),
    ({"a": Colour}, {"a": Fewer}, "/a: the value 'blue' was removed"),
    ({"a": Literal["x", "y"]}, {"a": Literal["x"]}, "/a: the value 'y' was removed"),
    ({"a": str}, {"a": Annotated[str, Field(max_length=5)]}, "/a: the type was narrowed, maxLength is now 5"),
    (
        {"a": Annotated[str, Field(max_length=9)]},
        {"a": Annotated[str, Field(max_length=5)]},
        "/a: the type was narrowed, maxLength is now 5",
    ),
    ({"a": int}, {"a": Annotated[int, Field(ge=1)]}, "/a: the type was narrowed, minimum is now 1"),
    ({"a": str}, {"a": Annotated[str, Field(pattern="^x")]}, "/a: the type was narrowed, the pattern is now ^x"),
    ({"a": list[int]}, {"a": list[str]}, "/a/*: the type was narrowed, integer is no longer valid"),
    ({"a": str}, {"a": str, "b": int}, "/b: the field is new and required"),
    ({"a": (str, "x")}, {"a": str}, "/a: the field became required"),
    ({"a": Part}, {"a": PartWithName}, "/a/name: the field is new and required"),
    ({"a": list[PartWithName]}, {"a": list[Part]}, "/a/*/name: the field was removed"),
]


@pytest.mark.parametrize("direction", ["event", "inbound"])
@pytest.mark.parametrize(("old", "new", "line"), REFUSED_EVERYWHERE)
def test_a_breaking_change_is_found(direction: str, old: dict[str, Any], new: dict[str, Any], line: str) -> None:
    found = breaks(schema(direction, **old), schema(direction, **new))
    assert line in found
    # On events a change of type is a widening as well.
    assert len([one for one in found if "widened" not in one]) == 1


REFUSED_ON_EVENTS = [
    ({"a": str}, {"a": str | None}, "/a: the type was widened, null is new"),
    ({"a": int}, {"a": int | str}, "/a: the type was widened, string is new"),
    ({"a": str}, {"a": (str, "x")}, "/a: the field may now be missing"),
]


@pytest.mark.parametrize(("old", "new", "line"), REFUSED_ON_EVENTS)
def test_what_a_consumer_could_not_read_is_found_on_events_and_let_pass_inbound(
    old: dict[str, Any], new: dict[str, Any], line: str
) -> None:
    assert breaks(schema("event", **old), schema("event", **new)) == [line]
    assert breaks(schema("inbound", **old), schema("inbound", **new)) == []


ALLOWED = [
    ({"a": str}, {"a": str}),
    ({"a": str}, {"a": str, "b": (int | None, None)}),
    ({"a": Colour}, {"a": More}),
    ({"a": Part}, {"a": Optional}),
    ({"a": Annotated[str, Field(max_length=5)]}, {"a": Annotated[str, Field(max_length=9)]}),
    ({"a": Annotated[str, Field(pattern="^x")]}, {"a": str}),
    ({"a": Annotated[str, Field(description="old words")]}, {"a": Annotated[str, Field(description="new words")]}),
]


@pytest.mark.parametrize("direction", ["event", "inbound"])
@pytest.mark.parametrize(("old", "new"), ALLOWED)
def test_a_harmless_change_passes(direction: str, old: dict[str, Any], new: dict[str, Any]) -> None:
    assert breaks(schema(direction, **old), schema(direction, **new)) == []


def test_a_contract_neither_vanishes_nor_moves() -> None:
    old = schema("event", a=str)
    assert broken_contracts({"kehu.x": old}, {}) == ["kehu.x: the contract was removed"]
    assert broken_contracts({"kehu.x": old}, {"kehu.x": {**old, "x-topic": "u"}}) == [
        "kehu.x: x-topic changed from t to u"
    ]
    assert broken_contracts({}, {"kehu.x": old}) == []


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What the command looks at, copied."""
    shutil.copytree(
        ROOT / "libs" / "contracts",
        tmp_path / "libs" / "contracts",
        ignore=shutil.ignore_patterns("__pycache__", "tests"),
    )
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "events.md", tmp_path / "docs")
    return tmp_path


def run(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kehu_contracts", *arguments],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout / "libs" / "contracts")},
        capture_output=True,
        text=True,
        check=False,
    )


def plant(checkout: Path, file: str, old: str, new: str) -> None:
    path = checkout / "libs" / "contracts" / file
    text = path.read_text()
    assert text.count(old) >= 1, f"{file} no longer holds what this test changes"
    path.write_text(text.replace(old, new, 1))


def test_an_untouched_checkout_passes(checkout: Path) -> None:
    done = run(checkout, "check")
    assert (done.returncode, done.stderr) == (0, "")
    assert run(checkout, "generate").stdout == ""


@pytest.mark.parametrize(
    ("file", "old", "new", "line"),
    [
        (
            "kehu_contracts/complaint.py",
            "    category: str\n",
            "",
            "kehu.complaint.received/category: the field was removed",
        ),
        (
            "kehu_contracts/bank.py",
            "    unit_code: str\n    opened_on",
            "    unit_code: Annotated[str, Field(max_length=4)]\n    opened_on",
            "bank.account.stated/unit_code: the type was narrowed, maxLength is now 4",
        ),
        (
            "kehu_contracts/bank.py",
            "    division_code: str | None = None\n    active",
            "    division_code: str | None = None\n    risk: str\n    active",
            "bank.organization.unit_stated/risk: the field is new and required",
        ),
        (
            "kehu_contracts/codes.py",
            '    WECHAT = "wechat"\n',
            "",
            "kehu.complaint.received/channel: the value 'wechat' was removed",
        ),
        (
            "kehu_contracts/complaint.py",
            '"kehu.complaint.received"',
            '"kehu.complaint.came_in"',
            "kehu.complaint.received: the contract was removed",
        ),
    ],
)
def test_a_planted_break_fails_the_check_even_when_everything_is_generated_anew(
    checkout: Path, file: str, old: str, new: str, line: str
) -> None:
    plant(checkout, file, old, new)
    assert run(checkout, "generate").returncode == 0
    done = run(checkout, "check")
    version = Repository(ROOT).version()
    assert done.returncode == 1
    assert f"breaks version {version}: {line}" in done.stderr.splitlines()


def test_a_new_optional_field_passes_once_everything_is_generated_anew(checkout: Path) -> None:
    plant(
        checkout,
        "kehu_contracts/bank.py",
        "    division_code: str | None = None\n    active",
        "    division_code: str | None = None\n    postcode: str | None = None\n    active",
    )
    stale = run(checkout, "check")
    assert stale.returncode == 1
    assert (
        "libs/contracts/schemas/bank.organization.unit_stated.json differs: run `python -m kehu_contracts generate`"
        in stale.stderr.splitlines()
    )
    assert run(checkout, "generate").stdout.splitlines() == [
        "wrote libs/contracts/schemas/bank.organization.unit_stated.json",
        "wrote docs/events.md",
    ]
    assert run(checkout, "check").returncode == 0


def test_what_was_edited_by_hand_is_found(checkout: Path) -> None:
    plant(checkout, "asyncapi.yaml", 'title: "Kehu events"', 'title: "Events"')
    plant(checkout, "examples/kehu.segment.published.json", '"rule_version": 3', '"rule_version": "three"')
    (checkout / "docs" / "events.md").unlink()
    (checkout / "libs" / "contracts" / "schemas" / "kehu.gone.json").write_text("{}")
    (checkout / "libs" / "contracts" / "examples" / "kehu.gone.json").write_text("{}")
    done = run(checkout, "check")
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert "libs/contracts/examples/kehu.gone.json belongs to no contract" in lines
    assert "libs/contracts/examples/kehu.segment.published.json does not fit its contract: rule_version" in lines
    assert "docs/events.md is missing: run `python -m kehu_contracts generate`" in lines
    assert "libs/contracts/asyncapi.yaml differs: run `python -m kehu_contracts generate`" in lines
    assert "libs/contracts/schemas/kehu.gone.json belongs to no contract" in lines


def test_a_release_is_kept_and_held_against_from_then_on(checkout: Path) -> None:
    plant(
        checkout,
        "kehu_contracts/bank.py",
        "    division_code: str | None = None\n    active",
        "    division_code: str | None = None\n    postcode: str | None = None\n    active",
    )
    done = run(checkout, "release", "99.1.0")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "kept libs/contracts/released/99.1.0")
    assert run(checkout, "check").returncode == 0
    plant(checkout, "kehu_contracts/bank.py", "    postcode: str | None = None\n", "")
    assert "breaks version 99.1.0: bank.organization.unit_stated/postcode: the field was removed" in (
        run(checkout, "check").stderr.splitlines()
    )


def test_a_version_is_released_once_and_upwards(checkout: Path) -> None:
    repository = Repository(checkout)
    version = repository.version()
    with pytest.raises(ValueError, match="not above"):
        release(repository, version)
    with pytest.raises(ValueError, match="not a version"):
        release(repository, "next")
    assert sorted(folder.name for folder in repository.released.iterdir()) == [version]


def test_outside_a_checkout_the_command_says_so(tmp_path: Path) -> None:
    done = run(tmp_path, "--root", str(tmp_path), "check")
    assert done.returncode == 1
    assert done.stderr == f"{tmp_path} is not a checkout of Kehu: it has no libs/contracts\n"
