"""Writes the API document of the whole suite: `python -m kehu_local.openapi web/openapi.json`.

The console's types are generated from that file; `--check` fails when it is not what the services say of themselves.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from kehu_campaigns.main import DEFINITION as CAMPAIGNS
from kehu_chassis.app import create_app
from kehu_chassis.definition import ServiceDefinition
from kehu_chassis.settings import ServiceSettings
from kehu_complaints.main import DEFINITION as COMPLAINTS
from kehu_customer.main import DEFINITION as CUSTOMER
from kehu_gateway.main import DEFINITION as GATEWAY
from kehu_gateway.openapi.rules import merge
from kehu_segmentation.main import DEFINITION as SEGMENTATION

__all__ = ["describe", "main"]

DEFINITIONS = (GATEWAY, CUSTOMER, SEGMENTATION, COMPLAINTS, CAMPAIGNS)


def describe() -> dict[str, Any]:
    """The document, as the gateway serves it when all services are up."""
    return merge({definition.name: _document(definition) for definition in DEFINITIONS}, title="Kehu", version="1")


def _document(definition: ServiceDefinition) -> dict[str, Any]:
    # A document needs no settings; the application is made without being started.
    settings = ServiceSettings.model_construct(trace_ratio=0.0, max_body_bytes=1_000_000, environment="demo")
    return create_app(definition, settings).openapi()


def main() -> int:
    """Write or check the file."""
    parser = argparse.ArgumentParser(description="The API document of the whole suite")
    parser.add_argument("file", type=Path)
    parser.add_argument("--check", action="store_true", help="change nothing; 1 when the file is out of date")
    arguments = parser.parse_args()
    text = json.dumps(describe(), indent=1, ensure_ascii=False) + "\n"
    if not arguments.check:
        arguments.file.write_text(text, encoding="utf-8")
        return 0
    if arguments.file.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"{arguments.file} is out of date: make contracts writes it anew\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
