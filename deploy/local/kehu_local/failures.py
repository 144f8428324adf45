"""How the runner says what went wrong: the cause, and what a person can do about it."""

from __future__ import annotations

__all__ = ["START_IT", "Failed", "no_broker", "no_database"]

START_IT = "See whether it runs: kehu status. If not, start it: make up"


class Failed(RuntimeError):
    """A command cannot do what was asked. Printed as two lines; the process ends with 1."""

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(f"{cause}\n{remedy}")
        self.cause = cause
        self.remedy = remedy


def no_broker(bootstrap: str, error: Exception) -> Failed:
    """Kafka did not answer a command."""
    return Failed(f"Kafka at {bootstrap} does not answer as it should: {error}", START_IT)


def no_database(error: OSError) -> Failed:
    """PostgreSQL did not answer a command, whichever of its clients says so."""
    told = str(error).removeprefix("PostgreSQL does not answer: ") or type(error).__name__
    return Failed(f"PostgreSQL does not answer: {told}", START_IT)
