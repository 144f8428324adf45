"""`python -m kehu_campaigns api | worker | migrate`."""

from __future__ import annotations

from kehu_campaigns.main import DEFINITION
from kehu_chassis.app import main

if __name__ == "__main__":
    main(DEFINITION)
