"""`python -m kehu_gateway api | worker | migrate`."""

from kehu_chassis.app import main
from kehu_gateway.main import DEFINITION

if __name__ == "__main__":
    main(DEFINITION)
