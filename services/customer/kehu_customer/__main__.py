"""`python -m kehu_customer api | worker | migrate`."""

from __future__ import annotations

from kehu_chassis.app import main
from kehu_customer.main import DEFINITION

if __name__ == "__main__":
    main(DEFINITION)
