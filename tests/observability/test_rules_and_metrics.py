"""Rules, dashboards and the manual speak of metrics that exist, and of all of them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from kehu_chassis import metrics
from kehu_chassis.alerts import RULES
from kehu_local.alerts import THRESHOLDS, thresholds
from kehu_local.plan import PORTS

from .promql import selectors

MANUAL = Path(__file__).parents[2] / "docs" / "operations.md"
GIVEN = {"service", "process", "job", "instance"}
"""Labels that the scrape configuration gives."""


def all_metrics() -> dict[str, MetricWrapperBase]:
    """The metrics of the one file by the name under which they are exposed."""
    found = [value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase)]
    return {f"{metric._name}_total" if metric._type == "counter" else metric._name: metric for metric in found}


def sample_names() -> dict[str, set[str]]:
    """Every sample that a rule may name, with its labels."""
    names: dict[str, set[str]] = {"up": set()}
    for name, metric in all_metrics().items():
        labels = set(metric._labelnames)
        if metric._type == "histogram":
            names |= {f"{name}_bucket": labels | {"le"}, f"{name}_sum": labels, f"{name}_count": labels}
        else:
            names[name] = labels
    return names


def expressions(observability: Path, rules: dict[str, dict[str, Any]]) -> dict[str, str]:
    found = {alert: rule["expr"] for alert, rule in rules.items()}
    for file in sorted((observability / "grafana").glob("*.json")):
        for panel in json.loads(file.read_text(encoding="utf-8"))["panels"]:
            for number, target in enumerate(panel.get("targets", ())):
                found[f"{file.name}: {panel['title']} {number}"] = target["expr"]
    return found


def test_every_expression_names_samples_and_labels_that_exist(
    observability: Path, rules: dict[str, dict[str, Any]]
) -> None:
    known = sample_names()
    for where, expression in expressions(observability, rules).items():
        used, labels = selectors(expression)
        assert used, where
        there = GIVEN.union(*(known[selector.name] for selector in used))
        assert labels <= there, f"{where}: {labels - there}"


def test_every_rule_says_how_urgent_it_is_and_tells_what_its_text_needs(rules: dict[str, dict[str, Any]]) -> None:
    for alert, rule in rules.items():
        assert rule["labels"]["severity"] in {"page", "ticket"}, alert
        told = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        _, labels = selectors(rule["expr"])
        grouped = re.match(r"(?:\w+ by|histogram_quantile|time|up)", rule["expr"])
        assert grouped, alert
        assert told <= labels | GIVEN, alert


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_takes_rules_and_configuration(observability: Path) -> None:
    for command in (("check", "rules", "rules.yml"), ("check", "config", "prometheus.yml")):
        done = subprocess.run(("promtool", *command), cwd=observability, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_configuration_scrapes_every_process(observability: Path) -> None:
    config = yaml.safe_load((observability / "prometheus.yml").read_text(encoding="utf-8"))
    [job] = config["scrape_configs"]
    scraped = {
        (each["labels"]["service"], each["labels"]["process"], int(target.partition(":")[2]))
        for each in job["static_configs"]
        for target in each["targets"]
    }
    services = {name: port for name, port in PORTS.items() if not name.startswith(("postgres", "kafka"))}
    assert scraped == {
        (name.removesuffix("-worker"), "worker" if name.endswith("-worker") else "api", port)
        for name, port in services.items()
    }


def test_the_services_judge_by_the_thresholds_of_the_rules(rules: dict[str, dict[str, Any]]) -> None:
    root = MANUAL.parents[1]
    assert (root / THRESHOLDS).read_text("utf-8") == thresholds(root), "make contracts writes it anew"
    for alert, rule in RULES.items():
        comparison = ">=" if rule.including else ">"
        assert rules[alert]["expr"].endswith(f" {comparison} {rule.threshold:g}")
        assert rules[alert]["labels"]["severity"] == rule.severity


def test_the_manual_lists_every_metric_with_its_labels_and_its_alert(rules: dict[str, dict[str, Any]]) -> None:
    """Rows `| metric | labels | meaning | alert |`: what they say of names, labels and alerts is held against the code."""
    rows = re.findall(r"^\| `(kehu_\w+)` \|([^|]*)\|([^|]+)\|([^|]*)\|$", MANUAL.read_text("utf-8"), re.MULTILINE)
    listed = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels, _, _ in rows}
    assert listed == {name: set(metric._labelnames) for name, metric in all_metrics().items()}
    alerts = {name: set(re.findall(r"`(Kehu\w+)`", alert)) for name, _, _, alert in rows}
    used: dict[str, set[str]] = {name: set() for name in listed}
    for alert, rule in rules.items():
        for selector in selectors(rule["expr"])[0]:
            if selector.name != "up":
                used[re.sub(r"_(bucket|sum|count)$", "", selector.name)].add(alert)
    assert alerts == used


def test_the_manual_says_what_to_do_about_every_alert(rules: dict[str, dict[str, Any]]) -> None:
    told = re.findall(r"^\| `(Kehu\w+)` \| (?:page|ticket) \| [^|]{15,} \|$", MANUAL.read_text("utf-8"), re.MULTILINE)
    assert sorted(told) == sorted(rules)
