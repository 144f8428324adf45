"""The house's own lint: rules that no linter on the market knows, each on the syntax tree of one file.

`violations(path, source)` lists what a file breaks; `main` walks the repository for `make lint`.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["RULES", "Violation", "repository_files", "violations"]

ROOT: Final = Path(__file__).parents[2]
PRODUCT: Final = ("libs", "services", "gateway", "deploy")
HTTP_METHODS: Final = frozenset({"get", "post", "put", "patch", "delete"})
LOG_METHODS: Final = frozenset({"debug", "info", "warning", "error", "exception", "critical"})
WALL_CLOCKS: Final = frozenset({("datetime", "now"), ("datetime", "utcnow"), ("date", "today"), ("datetime", "today")})


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule at one place."""

    path: str
    line: int
    rule: str
    message: str


Rule = Callable[[str, ast.Module], Iterator[tuple[int, str]]]


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def commit_outside_the_chassis(path: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The transaction dependency and the consumer loop commit; nobody else does."""
    if path.startswith("libs/chassis/"):
        return
    for call in _calls(tree):
        if isinstance(call.func, ast.Attribute) and call.func.attr == "commit":
            yield call.lineno, "only the chassis commits"


def wall_clock(path: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Business time is an argument; technical time comes from the chassis's clock module."""
    if path == "libs/chassis/kehu_chassis/clock.py":
        return
    for call in _calls(tree):
        function = call.func
        if (
            isinstance(function, ast.Attribute)
            and isinstance(function.value, ast.Name)
            and (function.value.id, function.attr) in WALL_CLOCKS
        ):
            yield call.lineno, f"{function.value.id}.{function.attr}() reads the machine's clock; use the suite's"


def sql_now_in_a_column(_path: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """SQL's `now()` is technical time; a business column takes its time from the clock."""
    for call in _calls(tree):
        function = call.func
        if (
            isinstance(function, ast.Attribute)
            and function.attr in {"now", "current_timestamp", "current_date"}
            and isinstance(function.value, ast.Name)
            and function.value.id == "func"
        ):
            yield call.lineno, f"func.{function.attr}() is PostgreSQL's clock, not the suite's"
        if isinstance(function, ast.Name | ast.Attribute):
            name = function.id if isinstance(function, ast.Name) else function.attr
            if name == "Column" and any(
                keyword.arg == "server_default" and "now(" in ast.unparse(keyword.value) for keyword in call.keywords
            ):
                yield call.lineno, "a column may not default to PostgreSQL's clock"


def no_orm(path: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """SQLAlchemy Core describes tables and statements; there is no ORM and no second way.

    Alembic alone needs an engine, to migrate with the driver that there is.
    """
    if path == "libs/chassis/kehu_chassis/migrations.py":
        return
    for node in ast.walk(tree):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
        for module in modules:
            if module.startswith(
                ("sqlalchemy.orm", "sqlalchemy.ext.asyncio", "sqlalchemy.ext.declarative", "sqlmodel")
            ):
                yield node.lineno, f"{module} is the ORM's"


def _route_decorator(function: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.Call | None:
    for decorator in function.decorator_list:
        if (
            isinstance(decorator, ast.Call)
            and isinstance(decorator.func, ast.Attribute)
            and decorator.func.attr in HTTP_METHODS
            and decorator.args
            and isinstance(decorator.args[0], ast.Constant)
        ):
            return decorator
    return None


def route_says_what_it_answers(path: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every route has a response model and a docstring. Its permission stands in the OpenAPI, where a test looks."""
    if not path.endswith("routes.py"):
        return
    for function in _functions(tree):
        decorator = _route_decorator(function)
        if decorator is None:
            continue
        keywords = {keyword.arg for keyword in decorator.keywords}
        if not keywords & {"response_model", "response_class"}:
            yield function.lineno, f"route {function.name} has no response_model"
        if ast.get_docstring(function) is None:
            yield function.lineno, f"route {function.name} has no docstring"


def output_without_defaults(path: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """An answer states all of its fields: a default would let one go missing unseen."""
    if not path.endswith("schemas.py"):
        return
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef):
            continue
        bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
        if node.name.endswith("Out") or "Out" in bases:
            for statement in node.body:
                if isinstance(statement, ast.AnnAssign) and _is_default(statement):
                    yield statement.lineno, f"{node.name}.{ast.unparse(statement.target)} has a default"


def _is_default(statement: ast.AnnAssign) -> bool:
    value = statement.value
    if value is None or ast.unparse(statement.annotation).startswith("ClassVar"):
        return False
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "Field":
        # A field that only describes itself is still required.
        return bool(value.args) or any(keyword.arg in {"default", "default_factory"} for keyword in value.keywords)
    return True


def f_string_in_a_log(_path: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """A log line is an event with fields, so that it can be counted and holds nothing by accident."""
    for call in _calls(tree):
        function = call.func
        if (
            isinstance(function, ast.Attribute)
            and function.attr in LOG_METHODS
            and isinstance(function.value, ast.Name)
            and function.value.id in {"log", "logger", "LOG"}
            and any(isinstance(argument, ast.JoinedStr) for argument in call.args)
        ):
            yield call.lineno, "a log call takes an event name and fields, not an f-string"


def migration_is_careful(path: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """A migration waits for a lock only so long, and can be taken back."""
    if "/migrations/versions/" not in path:
        return
    functions = {function.name: function for function in _functions(tree)}
    for name in ("upgrade", "downgrade"):
        function = functions.get(name)
        if function is None or all(isinstance(statement, ast.Pass) for statement in _body(function)):
            yield 1, f"the migration has no {name}"
        elif "lock_timeout" not in ast.unparse(function):
            yield function.lineno, f"{name} sets no lock_timeout"


def _body(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.stmt]:
    return [
        statement
        for statement in function.body
        if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant))
    ]


RULES: Final[tuple[Rule, ...]] = (
    commit_outside_the_chassis,
    wall_clock,
    sql_now_in_a_column,
    no_orm,
    route_says_what_it_answers,
    output_without_defaults,
    f_string_in_a_log,
    migration_is_careful,
)


def violations(path: str, source: str) -> list[Violation]:
    """What the file at `path` (relative to the repository) breaks."""
    tree = ast.parse(source)
    return [Violation(path, line, rule.__name__, message) for rule in RULES for line, message in rule(path, tree)]


def repository_files() -> Iterator[tuple[str, str]]:
    """Path and source of every product file; tests are left out, for they plant what the rules forbid."""
    for top in PRODUCT:
        for file in sorted((ROOT / top).rglob("*.py")):
            relative = file.relative_to(ROOT).as_posix()
            if "/tests/" not in relative and "/node_modules/" not in relative:
                yield relative, file.read_text(encoding="utf-8")


def main() -> int:
    """Print every violation; 1 when there is one."""
    found = [violation for path, source in repository_files() for violation in violations(path, source)]
    for violation in found:
        sys.stdout.write(f"{violation.path}:{violation.line}: {violation.rule}: {violation.message}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
