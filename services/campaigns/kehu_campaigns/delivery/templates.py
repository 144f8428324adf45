"""Message texts: Jinja templates in which nothing but values stands.

Loops, arithmetic, attributes and calls are refused when the text is written, so a template can neither reach into
objects nor keep a worker busy; the sandbox is the second lock.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from jinja2 import StrictUndefined, Template, TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

__all__ = ["SALUTATIONS", "SAMPLE", "VARIABLES", "TemplateRefused", "check", "render"]

VARIABLES: Final = frozenset({"salutation", "product", "campaign"})
"""What a text may name."""

SALUTATIONS: Final[Mapping[str, str]] = {"zh": "尊敬的客户", "en": "Dear customer"}
"""How customers are addressed, by language: names do not leave the customer service."""

SAMPLE: Final[Mapping[str, str]] = {"salutation": SALUTATIONS["zh"], "product": "TD-12M", "campaign": "SPRING"}
"""Values for a preview."""

_ALLOWED: Final = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.If,
    nodes.Compare,
    nodes.Operand,
    nodes.Const,
)

_environment = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, autoescape=False
)  # Plain text for SMS and push; nothing is HTML.


class TemplateRefused(ValueError):
    """The text is not a template that may be sent."""


def check(text: str) -> None:
    """Refuse a text that does not parse, names a value that does not exist or does more than name values.

    Raises:
        TemplateRefused: with the reason in words.
    """
    try:
        tree = _environment.parse(text)
    except TemplateSyntaxError as error:
        raise TemplateRefused(f"line {error.lineno}: {error.message}") from None
    for node in (tree, *tree.find_all(nodes.Node)):
        if not isinstance(node, _ALLOWED):
            raise TemplateRefused(f"line {node.lineno}: {type(node).__name__.lower()} is not allowed in a message")
        if isinstance(node, nodes.Name) and node.name not in VARIABLES:
            raise TemplateRefused(f"line {node.lineno}: there is no value named {node.name}")


def render(text: str, values: Mapping[str, str]) -> str:
    """The text with its values. Every name of `VARIABLES` has to be given."""
    return _compiled(text).render(values)


@lru_cache(maxsize=256)
def _compiled(text: str) -> Template:
    return _environment.from_string(text)
