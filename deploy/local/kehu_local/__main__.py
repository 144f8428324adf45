"""`python -m kehu_local`: the `kehu` command."""

from __future__ import annotations

from kehu_local.cli import main

if __name__ == "__main__":
    main()
