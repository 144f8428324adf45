"""The demo bank, played through the same doors as real data."""

from __future__ import annotations

from kehu_local.demo.load import load

__all__ = ["load"]
