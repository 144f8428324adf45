"""A pointer leads through the document that the caller sent, also where pydantic chose among the members of a union."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel, Field, model_validator
from pydantic_core import PydanticCustomError

from kehu_chassis import errors


class Cat(BaseModel):
    type: Literal["cat"]
    lives: int

    @model_validator(mode="after")
    def _alive(self) -> Cat:
        if self.lives == 0:
            raise PydanticCustomError("dead", "The cat is dead", {"detail_zh": "猫已死"})
        return self


class Box(BaseModel):
    type: Literal["box"]
    inside: list[Animal]


Animal = Annotated[Cat | Box, Field(discriminator="type")]
Box.model_rebuild()


class Order(BaseModel):
    animal: Animal


def _app() -> FastAPI:
    app = FastAPI()
    errors.install(app)

    @app.post("/orders")
    async def order(body: Order) -> None:
        """Take an order."""

    return app


@pytest.mark.parametrize(
    ("animal", "pointer", "code"),
    [
        ({"type": "box", "inside": [{"type": "cat", "lives": "x"}]}, "#/animal/inside/0/lives", "int_parsing"),
        ({"type": "box", "inside": [{"type": "cat"}]}, "#/animal/inside/0/lives", "missing"),
        ({"type": "box", "inside": [{"type": "dog"}]}, "#/animal/inside/0", "union_tag_invalid"),
        ({"type": "box", "inside": [{"type": "cat", "lives": 0}]}, "#/animal/inside/0", "dead"),
    ],
)
async def test_a_pointer_names_no_tag_of_a_union(animal: dict[str, Any], pointer: str, code: str) -> None:
    transport = httpx.ASGITransport(_app())
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.post("/orders", json={"animal": animal}, headers={"Accept-Language": "zh"})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["pointer"], error["code"]) == (pointer, code)
    if code == "dead":
        assert error["detail"] == "猫已死"
