"""The pages that people on call read: a folder per service with its alert rules, and a folder that all share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

from jobs.sample.alerts import TOPICS, Topic, alert_name, expression, rule, rule_file
from jobs.sample.estate import AS_OF_S, DAY_S, Service, stream
from jobs.sample.kinds import Decoy, Planted
from jobs.sample.words import camel, spoken

SHARED = "runbooks/shared"
REVIEWED_DAYS_AGO = (15, 200)
OLD_DAYS_AGO = (500, 900)  # pages of a service that does not change: old, and still right
STALE_DAYS_AGO = (600, 1_100)  # pages that the service has left behind
GAP_SHARE = 0.12  # healthy services of which one quiet alert has no runbook


def folders_of(service: Service) -> tuple[str, ...]:
    """The service's own folder, then the shared one."""
    return f"runbooks/{service.name}", SHARED


def runbook_files(service: Service, seed: int) -> dict[str, str]:
    """The service's own folder: path relative to the manifest, and text."""
    rng = stream(seed, service.name, "runbooks")
    folder, _ = folders_of(service)
    book = _Book(service, _style(service, rng), rng)
    return {f"{folder}/{name}": text for name, text in book.files().items()}


def _style(service: Service, rng: Random) -> _Style:
    days_ago = REVIEWED_DAYS_AGO
    if service.part.decoy is Decoy.OLD_RUNBOOKS:
        days_ago = OLD_DAYS_AGO
    if service.plants(Planted.STALE_RUNBOOKS):
        days_ago = STALE_DAYS_AGO
    site = f"https://runbooks.example.org/{service.name}/"
    return _Style(rng.choice(("front matter", "line", "quote")), days_ago, rng.choice((site, "")))


@dataclass(frozen=True, slots=True)
class _Style:
    """How a team writes: where the date of the last review stands, how long ago it is, and how rules link to pages."""

    date: str
    days_ago: tuple[int, int]
    site: str  # what stands before a page's name in `runbook_url`; nothing: relative to the rules


class _Book:
    """Writes one service's folder."""

    def __init__(self, service: Service, style: _Style, rng: Random) -> None:
        self._service = service
        self._style = style
        self._rng = rng
        self._stale = service.plants(Planted.STALE_RUNBOOKS)
        self._bare = service.plants(Planted.ALERTS_WITHOUT_RUNBOOK)
        self._topics = TOPICS if self._bare else TOPICS[: rng.randint(4, len(TOPICS))]

    def files(self) -> dict[str, str]:
        pages = {topic.page: [other for other in self._topics if other.page == topic.page] for topic in self._topics}
        if self._bare:
            pages = {TOPICS[0].page: [TOPICS[0]]}
        files = {name: self._page(topics) for name, topics in pages.items()}
        return {"README.md": self._index(list(pages)), "alerts.yml": self._rules(), **files}

    def _rules(self) -> str:
        urls = self._bare_urls() if self._bare else self._urls()
        rules = (rule(self._service, topic, urls[topic]) for topic in self._topics)
        return rule_file(self._service.name, rules)

    def _urls(self) -> Mapping[Topic, str]:
        """Where each alert's annotation leads; here and there a quiet alert has none."""
        urls = {topic: self._url(topic) for topic in self._topics}
        quiet = [topic for topic in self._topics if topic.severity == "warning"]
        return urls | ({quiet[-1]: ""} if quiet and self._rng.random() < GAP_SHARE else {})

    def _bare_urls(self) -> Mapping[Topic, str]:
        """One alert leads to its page, two lead to pages that were never written, the others nowhere."""
        led = self._rng.sample(TOPICS[1:], 2)
        return {topic: self._url(topic) if topic in (TOPICS[0], *led) else "" for topic in self._topics}

    def _url(self, topic: Topic) -> str:
        return f"{self._style.site}{topic.page}#{alert_name(self._service, topic).lower()}"

    def _index(self, pages: list[str]) -> str:
        name = spoken(self._service.name)
        links = [f"- [{page.removesuffix('.md').capitalize()}]({page})" for page in pages]
        if self._stale:
            links += ["- [Failover to the second site](failover.md)", "- [Virtual machines](hosts/machines.md)"]
        lines = [f"{name} belongs to the {self._service.system} system.", ""]
        lines += ["## Pages", "", *links, "", "## Who to call", ""]
        lines += [f"The team of {self._service.system}; see [on call](../shared/on-call.md).", ""]
        return self._dated(f"{name} runbooks", lines)

    def _page(self, topics: list[Topic]) -> str:
        lines: list[str] = []
        for topic in topics:
            lines += self._section(topic)
        if self._stale:
            lines += self._left_behind()
        return self._dated(f"{spoken(self._service.name)}: {topics[0].page.removesuffix('.md')}", lines)

    def _section(self, topic: Topic) -> list[str]:
        name = spoken(self._service.name)
        steps = [f"{number}. {step}" for number, step in enumerate(topic.steps, 1)]
        lines = [f"## {alert_name(self._service, topic)}", "", f"{name} {topic.summary}.", "", "### Impact", ""]
        lines += [f"Callers of {name} notice it within minutes.", "", "### Diagnosis", ""]
        lines += [*steps, "", "```", expression(self._service, topic), "```", "", "### Mitigation", ""]
        return [*lines, "Roll back if a deployment came shortly before, else scale out and call the owner.", ""]

    def _left_behind(self) -> list[str]:
        """What a page says of a world that is gone: an alert that no rule raises, hosts, a page that was removed."""
        host = f"{self._service.name}-vm-{self._rng.randint(1, 4)}.old.example.org"
        lines = [
            f"## {camel(self._service.name)}VmLoadHigh",
            "",
            f"Log in to `{host}` and restart the init script:",
            "",
        ]
        lines += ["```", f"ssh {host} sudo service {self._service.name} restart", "```", ""]
        return [*lines, "If that does not help, follow [the failover](failover.md).", ""]

    def _dated(self, title: str, lines: list[str]) -> str:
        """A whole page, with its title and the date of its last review."""
        days_ago = self._rng.randint(*self._style.days_ago)
        day = datetime.fromtimestamp(AS_OF_S - days_ago * DAY_S, UTC).date().isoformat()
        heads = {
            "front matter": ["---", f"title: {title!r}", f"last_reviewed: {day}", "---", "", f"# {title}", ""],
            "line": [f"# {title}", "", f"Last reviewed: {day}", ""],
            "quote": [f"# {title}", "", f"> Last reviewed on {day}", ""],
        }
        return "\n".join(heads[self._style.date] + lines)


def shared_files() -> dict[str, str]:
    """What every service falls back on."""
    day = datetime.fromtimestamp(AS_OF_S - 40 * DAY_S, UTC).date().isoformat()
    pages = {
        "README.md": "# Shared runbooks\n\n- [On call](on-call.md)\n- [Cluster](cluster.md)\n- [Network](network.md)\n",
        "on-call.md": "# On call\n\nThe rota is in the calendar of each team. Hand over in writing.\n",
        "cluster.md": "# Cluster\n\n## PodRestartsOften\n\nRead the last log lines of the replica that died.\n\n"
        "## NodeDiskPressure\n\nDrain the node, then remove old images.\n",
        "network.md": "# Network\n\n## CertificateExpiresSoon\n\nRenew the certificate; see [cluster](cluster.md).\n",
    }
    files = {f"{SHARED}/{name}": f"{text}\nLast reviewed: {day}\n" for name, text in pages.items()}
    return files | {f"{SHARED}/alerts.yml": SHARED_RULES}


SHARED_RULES = """\
groups:
  - name: shared
    rules:
      - alert: PodRestartsOften
        expr: 'increase(kube_pod_container_status_restarts_total[1h]) > 5'
        for: 15m
        labels:
          severity: warning
        annotations:
          summary: A replica restarts again and again
          runbook_url: cluster.md#podrestartsoften
      - alert: NodeDiskPressure
        expr: 'kube_node_status_condition{condition="DiskPressure",status="true"} == 1'
        for: 15m
        labels:
          severity: warning
        annotations:
          summary: A node has little disk space left
          runbook_url: cluster.md#nodediskpressure
      - alert: CertificateExpiresSoon
        expr: 'probe_ssl_earliest_cert_expiry - time() < 14 * 86400'
        for: 1h
        labels:
          severity: warning
        annotations:
          summary: A certificate expires within two weeks
          runbook_url: network.md#certificateexpiressoon
"""
