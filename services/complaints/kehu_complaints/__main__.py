"""`python -m kehu_complaints api | worker | migrate`."""

from __future__ import annotations

from kehu_chassis.app import main
from kehu_complaints.main import DEFINITION

if __name__ == "__main__":
    main(DEFINITION)
