"""`deploy/prometheus`: what the official tool says of it, and that no alert stands alone."""

import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.helpers.prometheus import DEPLOYED, need_prometheus, promtool

RULES: Final = sorted((DEPLOYED / "rules").glob("*.yml"))
UNIT_TESTS: Final = sorted((DEPLOYED / "tests").glob("*.yml"))
OPERATIONS: Final = (DEPLOYED.parents[1] / "docs" / "operations.md").read_text(encoding="utf-8")

SEVERITIES: Final = {"critical", "warning"}


def content(path: Path) -> Any:
    """What a file says."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


ALERTS: Final = [
    rule
    for group in content(DEPLOYED / "rules" / "alerts.yml")["groups"]
    for rule in group["rules"]
]
NAMES: Final = [alert["alert"] for alert in ALERTS]


def test_the_configuration_is_good() -> None:
    """With its rules."""
    need_prometheus()
    assert "FAILED" not in promtool("check", "config", DEPLOYED / "prometheus.yml")
    promtool("check", "rules", "--lint=all", "--lint-fatal", *RULES)


@pytest.mark.parametrize("path", UNIT_TESTS, ids=lambda path: path.stem)
def test_alerts_do_what_they_are_for(path: Path) -> None:
    """Each fires, and does not fire just below."""
    need_prometheus()
    promtool("test", "rules", path)


def test_the_words_of_alerts_can_be_filled_in(tmp_path: Path) -> None:
    """Values and labels find their places: a template that fails is told nowhere else."""
    need_prometheus()
    rules = [
        {**alert, "expr": 'label_replace(vector(1.5), "instance", "x", "", "")', "for": "0s"}
        for alert in ALERTS
    ]
    group = {"name": "all", "rules": rules}
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [group]}), encoding="utf-8")
    asked = [{"eval_time": "1m", "alertname": name, "exp_alerts": []} for name in NAMES]
    test = {"rule_files": ["rules.yml"], "tests": [{"interval": "1m", "alert_rule_test": asked}]}
    (tmp_path / "test.yml").write_text(yaml.safe_dump(test), encoding="utf-8")
    with pytest.raises(AssertionError) as told:  # none is expected, so all are shown
        promtool("test", "rules", tmp_path / "test.yml")
    assert str(told.value).count("runbook=") == len(ALERTS)
    assert "error expanding" not in str(told.value)
    assert "<no value>" not in str(told.value)


def test_each_alert_is_tested_on_both_sides() -> None:
    """One unit test in which it fires, one in which it must not."""
    cases = [case for path in UNIT_TESTS for case in content(path)["tests"]]
    assert sorted(case["name"] for case in cases) == sorted(
        f"{name} {what}" for name in NAMES for what in ("fires", "is quiet")
    )
    for case in cases:
        name, _, what = case["name"].partition(" ")
        (test,) = case["promql_expr_test"]
        assert f'alertname="{name}", alertstate="firing"' in test["expr"]
        assert bool(test["exp_samples"]) == (what == "fires")


@pytest.mark.parametrize("alert", ALERTS, ids=NAMES)
def test_each_alert_says_what_to_do(alert: dict[str, Any]) -> None:
    """How bad it is, what has happened, what to do, and where more is written."""
    assert alert["labels"]["severity"] in SEVERITIES
    notes = alert["annotations"]
    assert set(notes) == {"summary", "description", "runbook"}
    assert notes["summary"].endswith(".")
    assert len(notes["description"].split()) >= 12
    assert notes["runbook"] == f"docs/operations.md#{alert['alert'].lower()}"


def test_each_alert_has_its_section() -> None:
    """Below "When something is wrong", in the order of the file, and no other."""
    chapter = OPERATIONS.partition("\n## When something is wrong\n")[2]
    assert re.findall(r"^### (\w+)$", chapter, re.MULTILINE) == NAMES


def test_targets_are_scraped_under_the_name_that_alerts_use() -> None:
    """The job, and a path that the gateway serves."""
    jobs = {job["job_name"]: job for job in content(DEPLOYED / "prometheus.yml")["scrape_configs"]}
    (targets,) = jobs["field-gateway"]["static_configs"]
    assert len(targets["targets"]) == 2
    assert "metrics_path" not in jobs["field-gateway"]
