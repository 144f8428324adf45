"""What is generated from the contracts is up to date, and true."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import ValidationError

from kehu_contracts.base import CONTRACTS, Contract, Event, UnknownContract, parse
from kehu_contracts.generate import Repository, check
from kehu_contracts.schemas import ENCLOSED
from kehu_contracts.topics import TOPICS

REPOSITORY = Repository(Path(__file__).parents[3])
MODELS: dict[str, type[Contract]] = {**CONTRACTS, **ENCLOSED}
EXAMPLES = REPOSITORY.examples()
NAMES = sorted(MODELS)


def schema_of(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((REPOSITORY.contracts / "schemas" / f"{name}.json").read_text())
    return schema


def validator_of(name: str) -> Draft202012Validator:
    schema = schema_of(name)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, format_checker=FormatChecker())


def test_everything_is_up_to_date_and_breaks_nothing() -> None:
    assert check(REPOSITORY) == []


@pytest.mark.parametrize("name", NAMES)
def test_each_example_fits_its_published_schema_and_shows_every_field(name: str) -> None:
    assert list(validator_of(name).iter_errors(EXAMPLES[name])) == []
    assert set(EXAMPLES[name]) == set(schema_of(name)["properties"])


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_refuses_what_the_contract_refuses(name: str) -> None:
    validator, model = validator_of(name), MODELS[name]
    for field in schema_of(name)["required"]:
        without = {key: value for key, value in EXAMPLES[name].items() if key != field}
        assert not validator.is_valid(without), field
        with pytest.raises(ValidationError):
            model.model_validate_json(json.dumps(without))
        nonsense = {**EXAMPLES[name], field: {"nonsense": True}}
        assert not validator.is_valid(nonsense), field
        with pytest.raises(ValidationError):
            model.model_validate_json(json.dumps(nonsense))


@pytest.mark.parametrize("name", NAMES)
def test_producers_are_strict_and_consumers_are_not(name: str) -> None:
    newer = json.dumps({**EXAMPLES[name], "added_next_year": 1})
    assert validator_of(name).is_valid(json.loads(newer))
    with pytest.raises(ValidationError, match="added_next_year"):
        MODELS[name].model_validate_json(newer)
    if name in CONTRACTS:
        assert parse(name, newer) == CONTRACTS[name].model_validate(EXAMPLES[name])


@pytest.mark.parametrize("name", [name for name in NAMES if issubclass(MODELS[name], Event)])
def test_what_a_producer_sends_fits_the_schema(name: str) -> None:
    event = CONTRACTS[name].model_validate(EXAMPLES[name])
    assert isinstance(event, Event)
    sent = event.model_dump_json()
    assert list(validator_of(name).iter_errors(json.loads(sent))) == []
    assert parse(name, sent) == event
    assert isinstance(event.subject_id(), UUID)
    assert isinstance(event.key_id(), UUID)
    assert schema_of(name)["$id"] == event.dataschema()


def test_money_is_a_text_in_every_schema() -> None:
    for name in ("bank.transaction.posted", "kehu.holding.transaction_posted"):
        validator = validator_of(name)
        for amount, valid in [("1299.00", True), ("0.0001", True), (1299.0, False), ("1e3", False), ("1,299", False)]:
            assert validator.is_valid({**EXAMPLES[name], "amount": amount}) is valid, amount
    assert not validator_of("bank.transaction.posted").is_valid({**EXAMPLES["bank.transaction.posted"], "amount": "-1"})


def test_an_unknown_type_has_no_contract() -> None:
    with pytest.raises(UnknownContract, match="weather"):
        parse("kehu.weather.changed", b"{}")


def test_every_contract_stands_on_a_topic_that_there_is() -> None:
    topics = {topic.name: topic for topic in TOPICS}
    for name, model in CONTRACTS.items():
        assert model.topic in topics
        # Who sends it is told by the first word of its type, and of its topic.
        assert name.split(".")[0] == model.topic.split(".")[0] == ("kehu" if issubclass(model, Event) else "bank")
    assert {model.topic for model in CONTRACTS.values()} == set(topics)


def test_asyncapi_tells_every_topic_and_contract_once() -> None:
    document = importlib.import_module("yaml").safe_load((REPOSITORY.contracts / "asyncapi.yaml").read_text())
    assert document["asyncapi"] == "3.0.0"
    channels = document["channels"]
    assert list(channels) == [topic.name for topic in TOPICS]
    for topic in TOPICS:
        binding = channels[topic.name]["bindings"]["kafka"]
        assert (binding["partitions"], binding["topicConfiguration"]["cleanup.policy"]) == (
            topic.partitions,
            [topic.cleanup],
        )
    told = [name for channel in channels.values() for name in channel["messages"]]
    assert sorted(told) == sorted(CONTRACTS)
    messages = document["components"]["messages"]
    assert sorted(messages) == sorted(CONTRACTS)
    for name, message in messages.items():
        assert (REPOSITORY.contracts / message["payload"]["$ref"]).is_file()
        assert message["examples"] == [{"payload": EXAMPLES[name]}]
    actions = {operation["channel"]["$ref"]: operation["action"] for operation in document["operations"].values()}
    assert actions == {
        f"#/channels/{topic.name}": "receive" if topic.name.startswith("bank.") else "send" for topic in TOPICS
    }


def test_the_page_tells_every_field_with_its_meaning() -> None:
    page = (REPOSITORY.root / "docs" / "events.md").read_text()
    for name in NAMES:
        section = page.split(f"### {name}\n")[1].split("\n### ")[0]
        for field in schema_of(name)["properties"]:
            assert f"| `{field}` |" in section
    assert "| `open` | boolean | yes | Whether marketing to the customer has to stop. |" in page
    assert "| `amount` | string `^[0-9]{1,16}(\\.[0-9]{1,4})?$` | yes |" in page


def test_examples_name_nobody() -> None:
    text = json.dumps(EXAMPLES, ensure_ascii=False)
    # Mobile numbers of mainland China, resident ID numbers, e-mail addresses.
    assert re.findall(r"\b1[3-9]\d{9}\b", text) == []
    assert re.findall(r"\b\d{17}[\dX]\b", text) == []
    assert "@" not in text
