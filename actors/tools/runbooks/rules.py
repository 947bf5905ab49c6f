"""Alert rules: which alerts a Prometheus rule file defines, whom they call, and which runbook they name. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from actors.tools.runbooks.words import squeezed
from budget.safe_yaml import LOADER

RULE_SUFFIXES = tuple(
    kind + made for kind in (".yaml", ".yml", ".rules") for made in ("", ".tpl", ".tmpl", ".gotmpl", ".j2", ".erb")
)
# Severity words that wake somebody up, and those that open a ticket or tell. From Prometheus mixins (critical, warning,
# info), Alertmanager and PagerDuty (page, P1), and severity scales s1..s4 and sev1..sev4 of incident handbooks.
_PAGES_WORDS = """
    critical crit page paging pager emergency fatal disaster urgent high s0 s1 s2 p0 p1 p2 sev0 sev1 sev2
"""
_PAGES = frozenset(_PAGES_WORDS.split())
_TELLS_WORDS = """
    warning warn info information informational none low medium minor moderate ticket notice notify debug ok
    email slack s3 s4 s5 p3 p4 p5 sev3 sev4 sev5
"""
_TELLS = frozenset(_TELLS_WORDS.split())
_PAGER_LABELS = (
    "pager",
    "page",
    "paging",
    "pagerduty",
    "oncall",
    "on_call",
    "escalation",
    "notify",
    "channel",
    "receiver",
)
_PAGER_VALUES = re.compile(r"pager|opsgenie|victorops|on-?call|^(?:true|yes|page)$", re.IGNORECASE)
_RUNBOOK_KEY = re.compile(r"run_?book|play_?book|^sop(?:_url)?$", re.IGNORECASE)
_TITLE_KEYS = ("summary", "title", "message", "description")
_URL = re.compile(r"https?://[^\s\"'<>)\]]+")
_INLINE_WORDS_MIN = 8  # an annotation of so many words is the runbook itself, not a name for one
DEPTH_MAX = 100  # a PrometheusRule in a List in a ConfigMap has 12 levels
_RULES_LIKE = re.compile(r"(?:^|[\s{,])[\"']?alert[\"']?\s*:\s*\S")
_QUOTED = re.compile(r"[\"']([^\"']{1,80})[\"']")
_FIELD = re.compile(r"^\s*(?:-\s+)?[\"']?([\w-]+)[\"']?\s*:\s*(.*?)\s*$")


@dataclass(frozen=True, slots=True)
class Alert:
    """One alerting rule. `pages`: whether it wakes somebody up; None when its labels do not say.

    `runbooks` are targets (URL or path) as the rule states them; `inline` is a runbook written into the rule itself;
    `mentions` are URLs in its description, which may or may not be runbooks. `about` are its labels' values and the
    quoted strings of its expression, squeezed: the services that it watches are among them.
    """

    name: str
    path: str
    line: int
    severity: str = ""
    pages: bool | None = None
    runbooks: tuple[str, ...] = ()
    inline: str = ""
    mentions: tuple[str, ...] = ()
    title: str = ""
    about: frozenset[str] = frozenset()

    @property
    def citation(self) -> str:
        return f"runbook:{self.path}:{self.line}"


@dataclass(frozen=True, slots=True)
class RuleFile:
    """The alerts of one file, and what could not be read of it (empty: all was)."""

    alerts: tuple[Alert, ...] = ()
    gap: str = ""


@dataclass(slots=True)
class _Found:
    """A rule as it stands in the file."""

    name: str
    line: int
    expr: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)


def parse_rules(path: str, text: str) -> RuleFile:
    """The alerts of a rule file, of a PrometheusRule or of a ConfigMap that holds one, over all YAML documents.

    A file that is not YAML (a template, say) is read line by line and gives a gap. A file without alerts gives nothing.
    """
    if not _RULES_LIKE.search(text):
        return RuleFile()
    try:
        found = list(_documents(text, 0))
        gap = ""
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else str(error)[:100]
        found = list(_by_line(text))
        gap = f"{path} does not parse as YAML ({where}); {len(found)} alerts were read from it line by line"
    return RuleFile(tuple(_alert(path, rule) for rule in found), gap)


def _documents(text: str, offset: int, depth: int = 0) -> Iterator[_Found]:
    _check_depth(yaml.parse(text, Loader=LOADER))
    for document in list(yaml.compose_all(text, Loader=LOADER)):
        yield from _walk(document, offset, depth)


def _check_depth(events: Iterable[Any]) -> None:
    """Raises ValueError for nesting that would exhaust the composer's stack: it recurses, and does not look."""
    depth = 0
    for event in events:
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEPTH_MAX:
            raise ValueError(f"nested deeper than {DEPTH_MAX} levels")


def _walk(document: Any, offset: int, depth: int) -> Iterator[_Found]:
    """Every mapping below `document` with an `alert`, in file order. Shared nodes (aliases) are visited once."""
    todo, seen = [document], set()
    while todo:
        node = todo.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            todo.extend(reversed(node.value))
        elif isinstance(node, yaml.MappingNode):
            pairs = {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}
            if isinstance(pairs.get("alert"), yaml.ScalarNode):
                yield _rule(pairs, offset)
            else:
                todo.extend(value for _, value in reversed(node.value))
        elif depth < 2 and node.style == "|" and _RULES_LIKE.search(node.value):
            yield from _documents(node.value, offset + node.start_mark.line + 1, depth + 1)


def _rule(pairs: Mapping[str, Any], offset: int) -> _Found:
    name = pairs["alert"]
    return _Found(
        name.value.strip(),
        offset + name.start_mark.line + 1,
        pairs["expr"].value if isinstance(pairs.get("expr"), yaml.ScalarNode) else "",
        _scalars(pairs.get("labels")),
        _scalars(pairs.get("annotations")),
    )


def _scalars(node: Any) -> dict[str, str]:
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {key.value: value.value for key, value in node.value if isinstance(value, yaml.ScalarNode)}


def _by_line(text: str) -> Iterator[_Found]:
    """What can be made out of a file that does not parse: fields between one `alert:` and the next."""
    rule: _Found | None = None
    for number, line in enumerate(text.split("\n"), start=1):
        match = _FIELD.match(line)
        if match is None:
            continue
        key, value = match[1], match[2].strip("'\"")
        if key in ("alert", "record") or (key == "name" and line.lstrip().startswith("-")):
            if rule is not None:
                yield rule
            rule = _Found(value, number) if key == "alert" and value and "{{" not in value else None
        elif rule is not None and value:
            rule.expr = value if key == "expr" else rule.expr
            rule.labels.setdefault(key, value)
            rule.annotations.setdefault(key, value)
    if rule is not None:
        yield rule


def _alert(path: str, rule: _Found) -> Alert:
    said = {**rule.labels, **rule.annotations}
    stated = [value.strip() for key, value in said.items() if _RUNBOOK_KEY.search(key) and value.strip()]
    inline = next((text for text in stated if len(text.split()) >= _INLINE_WORDS_MIN), "")
    mentions = [url.rstrip(".,;:") for key in _TITLE_KEYS for url in _URL.findall(rule.annotations.get(key, ""))]
    targets = [text for text in stated if text != inline] + _URL.findall(inline)
    severity = rule.labels.get("severity", rule.labels.get("priority", "")).strip()
    return Alert(
        name=rule.name,
        path=path,
        line=rule.line,
        severity=severity[:40],
        pages=_pages(severity, rule.labels),
        runbooks=tuple(dict.fromkeys(target.replace("{{ $labels.alertname }}", rule.name) for target in targets)),
        inline=inline,
        mentions=tuple(dict.fromkeys(mentions)),
        title=next((rule.annotations[key] for key in _TITLE_KEYS if rule.annotations.get(key)), "")[:300],
        about=frozenset(squeezed(text) for text in [*rule.labels.values(), *_QUOTED.findall(rule.expr)]) - {""},
    )


def _pages(severity: str, labels: Mapping[str, str]) -> bool | None:
    if any(_PAGER_VALUES.search(labels.get(key, "")) for key in _PAGER_LABELS):
        return True
    words = set(re.split(r"[^a-z0-9]+", severity.lower()))
    if words & _PAGES:
        return True
    return False if words & _TELLS else None
