"""Reading alert rules: which alerts there are, whom they call, and which runbook they name."""

from __future__ import annotations

import pytest

from actors.tools.runbooks.rules import DEPTH_MAX, parse_rules

PLAIN = """\
groups:
  - name: cart
    rules:
      - record: cart:errors:rate5m
        expr: rate(errors_total[5m])
      - alert: CartErrors
        expr: rate(errors_total{service="cart"}[5m]) > 1
        labels:
          severity: critical
        annotations:
          summary: Cart fails
          runbook_url: https://runbooks.example.org/cart/errors#carterrors
"""
CUSTOM_RESOURCE = f"""\
apiVersion: v1
kind: ConfigMap
---
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
spec:
{"".join("  " + line + chr(10) for line in PLAIN.splitlines())}"""
CONFIG_MAP = f"""\
kind: ConfigMap
data:
  cart.rules: |
{"".join("    " + line + chr(10) for line in PLAIN.splitlines())}"""


@pytest.mark.parametrize(
    ("text", "line"), [(PLAIN, 6), (CUSTOM_RESOURCE, 12), (CONFIG_MAP, 9), (PLAIN.replace("\n", "\r\n"), 6)]
)
def test_alerts_are_found_in_every_kind_of_rule_file(text: str, line: int):
    """Rule files, PrometheusRules, ConfigMaps with rules in them, several documents; each with its own line."""
    found = parse_rules("r/cart.yml", text)

    assert found.gap == ""
    assert [(alert.name, alert.line, alert.pages) for alert in found.alerts] == [("CartErrors", line, True)]
    assert found.alerts[0].runbooks == ("https://runbooks.example.org/cart/errors#carterrors",)
    assert "cart" in found.alerts[0].about


@pytest.mark.parametrize(
    ("labels", "pages"),
    [
        ("severity: critical", True),
        ("severity: page", True),
        ("severity: s1", True),
        ("severity: SEV2", True),
        ("severity: warning", False),
        ("severity: s4", False),
        ("severity: none", False),
        ("team: cart", None),
        ("severity: '{{ $labels.severity }}'", None),
        ("{severity: s3, pager: pagerduty}", True),
        ("{severity: warning, page: 'true'}", True),
    ],
)
def test_whom_an_alert_calls_is_read_from_its_labels(labels: str, pages: bool | None):
    """A severity or a pager label says it; without either it is unknown, which is neither."""
    text = f"- alert: A\n  expr: up\n  labels: {labels if labels.startswith('{') else '{' + labels + '}'}\n"

    assert parse_rules("r.yml", text).alerts[0].pages is pages


def test_a_template_that_is_no_yaml_is_read_line_by_line_and_leaves_a_gap():
    """A chart's template keeps its alerts; what cannot be read is said."""
    text = "{{- if .Values.alerts }}\n" + PLAIN.replace("name: cart", "name: {{ .Chart }}: {{ x }}") + "{{- end }}\n"

    found = parse_rules("r/cart.yaml", text)

    assert [(alert.name, alert.line, alert.severity) for alert in found.alerts] == [("CartErrors", 7, "critical")]
    assert found.alerts[0].runbooks == ("https://runbooks.example.org/cart/errors#carterrors",)
    assert "r/cart.yaml does not parse as YAML (line 1)" in found.gap


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sites:\n  - name: x\n",
        "{broken: [",
        "- alertname: x\n",
        "alert:\n",
        "\t\n",
        "- alert: [a, b]\n",
        "- alert: {a: b}\n",
    ],
)
def test_a_file_without_alerts_gives_nothing(text: str):
    """Other YAML files may lie beside the pages, broken ones too."""
    assert parse_rules("r/x.yml", text).alerts == ()


@pytest.mark.parametrize("depth", [DEPTH_MAX + 1, 100_000])
def test_nesting_without_end_is_a_gap(depth: int):
    """The parser's own stack is not exhausted by a hostile file."""
    found = parse_rules("r/x.yml", "- alert: A\n  expr: " + "[" * depth + "]" * depth + "\n")

    assert "does not parse" in found.gap
    assert [alert.name for alert in found.alerts] == ["A"]


def test_an_alias_that_multiplies_is_visited_once():
    """Nine aliases of nine aliases are nine nodes, and not a billion."""
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 10))

    found = parse_rules("r/x.yml", f"l0: &l0 [{{alert: A, expr: up}}]\n{levels}")

    assert [alert.name for alert in found.alerts] == ["A"]


def test_a_runbook_may_be_written_into_the_rule_itself():
    """An annotation of a sentence is the runbook; a link in it is one too."""
    text = (
        "- alert: A\n  annotations:\n    runbook: Restart the pod, then look at the queue; "
        "see https://wiki.example.org/cart for more.\n"
    )

    alert = parse_rules("r.yml", text).alerts[0]

    assert alert.inline.startswith("Restart the pod")
    assert alert.runbooks == ("https://wiki.example.org/cart",)
