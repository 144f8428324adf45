"""Makes calls from the API document, good ones and spoiled ones, and holds each answer against the document.

schemathesis makes the calls and judges the answers; they are sent here, since the applications live in the test's own
event loop, with the ids of things that are there for half of them: of random ids none is ever found.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import SearchStrategy
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.parameters import ParameterLocation
from schemathesis.core.result import Ok
from schemathesis.generation.meta import FuzzingPhaseData
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

__all__ = ["Fuzzer", "Tally"]

CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]


@dataclass
class Tally:
    """What came of the calls."""

    calls: int = 0
    succeeded: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    """What an answer broke, the first of each operation."""


class Fuzzer:
    """Calls every operation of a document.

    Args:
        document: the API document.
        things: values for the parameters of each operation's path, by operation (`GET /path`).
        number: of the run; the same number makes the same calls.
    """

    def __init__(self, document: dict[str, Any], things: dict[str, dict[str, str]], number: int) -> None:
        self._schema = schemathesis.openapi.from_dict(_without_security(document))
        self._things = things
        self._number = number
        self._random = random.Random(number)

    def operations(self) -> Iterator[Any]:
        """All operations of the document."""
        for found in self._schema.get_all_operations():
            assert isinstance(found, Ok)
            yield found.ok()

    def cases(self, operation: Any, count: int) -> list[Case[Any]]:
        """Calls of an operation: half of them as the document asks for, half spoiled somewhere."""
        made: list[Case[Any]] = []
        for mode in GenerationMode:
            made += self._drawn(operation.as_strategy(generation_mode=mode), (count + 1) // 2)
        for case in made[::2]:
            known = self._things.get(f"{operation.method.upper()} {operation.path}", {})
            if isinstance(case.path_parameters, dict) and not _spoils_its_path(case):
                case.path_parameters.update(known)
        return made

    def _drawn(self, strategy: SearchStrategy[Case[Any]], count: int) -> list[Case[Any]]:
        drawn: list[Case[Any]] = []

        @seed(self._random.getrandbits(32))
        @settings(
            max_examples=count, database=None, deadline=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(strategy)
        def draw(case: Case[Any]) -> None:
            drawn.append(case)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # An operation without parameters cannot be spoiled.
            with suppress(Unsatisfiable):
                draw()
        return drawn

    async def call(self, client: httpx.AsyncClient, case: Case[Any], tally: Tally) -> None:
        """Send one, and judge the answer."""
        prepared = requests.Request(**case.as_transport_kwargs(base_url=str(client.base_url))).prepare()
        headers = {name: str(value) for name, value in prepared.headers.items()}
        headers["Authorization"] = client.headers["Authorization"]
        assert prepared.body is None or isinstance(prepared.body, str | bytes)
        request = httpx.Request(str(prepared.method), str(prepared.url), headers=headers, content=prepared.body)
        answer = await client.send(request)
        tally.calls += 1
        tally.succeeded += answer.is_success
        try:
            case.validate_response(answer, checks=CHECKS)
        except (FailureGroup, Failure) as failure:
            tally.failures.setdefault(f"{case.method} {case.operation.path}", str(failure))


def _spoils_its_path(case: Case[Any]) -> bool:
    # With another path such a call would not be wrong where schemathesis takes it to be.
    made = case.meta.phase.data if case.meta else None
    if not isinstance(made, FuzzingPhaseData):
        return False
    return ParameterLocation.PATH in {made.parameter_location, *(each.parameter_location for each in made.mutations)}


def _without_security(document: dict[str, Any]) -> dict[str, Any]:
    # Every call comes with a token; what comes without is the matter of other tests.
    paths = {
        path: {method: {**operation, "security": []} for method, operation in item.items()}
        for path, item in document["paths"].items()
    }
    components = {name: part for name, part in document["components"].items() if name != "securitySchemes"}
    return {**document, "paths": paths, "components": components}
