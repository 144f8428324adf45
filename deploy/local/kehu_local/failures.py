"""How the runner says what went wrong: the cause, and what a person can do about it."""

from __future__ import annotations

__all__ = ["Failed"]


class Failed(RuntimeError):
    """A command cannot do what was asked. Printed as two lines; the process ends with 1."""

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(f"{cause}\n{remedy}")
        self.cause = cause
        self.remedy = remedy
