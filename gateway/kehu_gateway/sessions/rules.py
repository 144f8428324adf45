"""Which pages a log-in may come back to."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["safe_return"]

_LOCAL: Final = re.compile(r"/(?![/\\])[\x21-\x7e]{0,1000}")
_OUTSIDE_THE_CONSOLE: Final = ("/api/", "/auth/", "/oauth2/")


def safe_return(address: str) -> str:
    """The address when it is a page of the console, else the console's first page: never another site."""
    if _LOCAL.fullmatch(address) and "\\" not in address and not address.startswith(_OUTSIDE_THE_CONSOLE):
        return address
    return "/"
