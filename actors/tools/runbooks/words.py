"""Words of alerts, incidents and pages, brought to one form so that they can be compared. Pure."""

from __future__ import annotations

import re
from functools import lru_cache

_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SUFFIXES = ("ations", "ation", "ings", "ing", "ions", "ion", "ed", "es", "s")

# One symptom, many words. The first word of a row stands for all of them. From the names that Prometheus mixins,
# incident trackers and on-call handbooks use for the same thing.
_SAME = (
    "down outage unavailable unreachable offline unresponsive dead inaccessible",
    "latency slow slowness slowly apdex timeout p90 p95 p99 p999 delay duration",
    "error fail failing failure failed exception 5xx 500 502 503 504 4xx fault",
    "memory oom oomkill oomkilled heap leak mem rss",
    "cpu throttle throttling throttled compute",
    "disk storage volume filesystem inode pvc space",
    "certificate cert tls ssl expiry expire expired x509",
    "database db postgres postgresql mysql sql",
    "queue backlog lag pileup overdue consumer",
    "crash crashloop crashloopbackoff crashlooping panic restart oncrash flap flapping segfault",
    "deploy deployment release rollout rollback revert",
    "connection conn connect pool socket",
    "configuration config misconfiguration misconfigured configured",
    "saturation saturate saturated exhaustion exhausted exhaust overload overloaded full quota limit",
    "replication replica replicate standby",
    "backup restore snapshot",
    "dns resolver nameserver coredns",
    "network packet connectivity partition route",
    "credential secret password token auth authentication key",
)
_STOP_WORDS = """
    a about after again all alert alerts also an and any are as at be been being between but by can could do
    does due during every few for from gets getting guide had has have high how if in incident incidents into is
    issue issues it its large low many may more most ms much near no not now of off on one or our out over page
    pages playbook problem problems process readme runbook runbooks service services should small so some soon
    still than that the their them then there these they this those to too two under unknown until up us use
    used using very was we were what when where which while who why will with without yet you your critical
    warning major minor http https index md
"""
_STOP = frozenset(_STOP_WORDS.split())


def _stem(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 4:
            return word[: -len(suffix)]
    return word


_MEANING = {form: row.split()[0] for row in _SAME for word in row.split() for form in (word, _stem(word))}
EFFECTS = frozenset(("down", "latency", "error", "crash", "saturation"))  # what users see, whatever is behind it
ORIGINS = frozenset(row.split()[0] for row in _SAME) - EFFECTS


@lru_cache(maxsize=65_536)
def tokens(text: str) -> frozenset[str]:
    """The words of `text` that carry meaning: camel case split, stemmed, one word per symptom.

    `CheckoutHighErrorRate` gives checkout, error and rate. Bare numbers are dropped, HTTP 5xx codes are errors.
    """
    parts = (part for piece in re.split(r"[^A-Za-z0-9]+", text) for part in _parts(piece))
    return frozenset(meant for part in parts if (meant := _meaning(part.lower())))


def _parts(piece: str) -> list[str]:
    return [piece] if piece.lower() in _MEANING else _PART.findall(piece)


def _meaning(part: str) -> str:
    if part in _STOP or len(part) < 2:
        return ""
    known = _MEANING.get(part) or _MEANING.get(_stem(part))
    if known is not None:
        return known
    return "" if part[0].isdigit() else _stem(part)


def squeezed(name: str) -> str:
    """A name without case and punctuation: `KubePodCrashLooping`, `kube-pod-crash-looping` and `#kubepodcrashlooping`
    are one name."""
    return re.sub(r"[\W_]+", "", name).lower()
