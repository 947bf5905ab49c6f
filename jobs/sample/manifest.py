"""The estate's manifest, which the audit reads, and its truth, which the audit never reads."""

from __future__ import annotations

import json
from collections.abc import Iterator

from actors.wording import iso
from jobs.sample.estate import AS_OF_S, WINDOW_DAYS, Estate, Service
from jobs.sample.kinds import SHOWN_BY, Source
from jobs.sample.metrics import metrics_file_of
from jobs.sample.repositories import paths_of, repository_of
from jobs.sample.runbooks import folders_of
from jobs.sample.trackers import place_of
from jobs.sample.words import spoken

SCHEMA = "muster.sample/1"


def manifest_text(estate: Estate) -> str:
    """A YAML stream of Backstage components, one document a service. All values are plain words, so none is quoted."""
    return "---\n".join(_component(service, estate.seed) for service in estate.services)


def _component(service: Service, seed: int) -> str:
    lines = ["apiVersion: backstage.io/v1alpha1", "kind: Component", "metadata:", f"  name: {service.name}"]
    lines += [f"  description: {spoken(service.name)} of the {service.system} system", "  annotations:"]
    lines += [f"    reliability-audit/{name}: {value}" for name, value in _annotations(service, seed)]
    lines += ["spec:", "  type: service", "  lifecycle: production", f"  owner: {service.system}-team"]
    lines += [f"  system: {service.system}"]
    if service.depends_on:
        lines += ["  dependsOn:", *(f"    - component:{name}" for name in service.depends_on)]
    return "\n".join(lines) + "\n"


def _annotations(service: Service, seed: int) -> Iterator[tuple[str, str]]:
    if service.has(Source.INCIDENTS):
        place = place_of(service)
        yield "incidents", place.path
        yield "incidents-format", service.tracker.value
        if place.names:
            yield "incidents-service", ",".join(place.names)
    if service.has(Source.GIT):
        yield "git", repository_of(service)
        if paths := paths_of(service, seed):
            yield "git-path", ",".join(paths)
    if service.has(Source.METRICS):
        yield "metrics-file", metrics_file_of(service)
    if service.has(Source.RUNBOOKS):
        yield "runbooks", ",".join(folders_of(service))
    yield "as-of", f"'{iso(AS_OF_S)}'"
    yield "window", f"P{WINDOW_DAYS}D"


def truth_text(estate: Estate) -> str:
    """What is planted where, as JSON: one entry a service, in the order of the manifest."""
    truth = {
        "schema": SCHEMA,
        "seed": estate.seed,
        "as_of": iso(AS_OF_S),
        "window": f"P{WINDOW_DAYS}D",
        "shown_by": {kind.value: sorted(source.value for source in sources) for kind, sources in SHOWN_BY.items()},
        "services": {service.name: _truth(service) for service in estate.services},
    }
    return json.dumps(truth, indent=1) + "\n"


def _truth(service: Service) -> dict[str, object]:
    part = service.part
    return {
        "planted": [kind.value for kind in part.planted],
        "decoy": part.decoy.value if part.decoy else None,
        "lacks": part.lacks.value if part.lacks else None,
        "symptom_of": part.symptom_of or None,
    }
