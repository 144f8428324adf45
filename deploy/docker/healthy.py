# noqa: INP001 - a script of its own.
"""Exit 0 when the process on this port is ready: `healthy.py PORT`."""

import sys
from urllib.request import urlopen

with urlopen(f"http://127.0.0.1:{int(sys.argv[1])}/health/ready", timeout=4) as answer:
    sys.exit(answer.status != 200)
