"""Where traces and metrics go when the standard OTEL_* variables say so: OTLP over HTTP, in this process's own threads.

    OTEL_EXPORTER_OTLP_ENDPOINT, …_TRACES_ENDPOINT, …_METRICS_ENDPOINT   turn the export on, and say where
    OTEL_TRACES_EXPORTER, OTEL_METRICS_EXPORTER                          otlp turns it on as well; none turns it off
    OTEL_SDK_DISABLED=true                                               turns all of it off

Headers, timeouts, resource attributes and the service's name are read by the SDK from their own variables.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExplicitBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from orchestrator.telemetry import BUCKETS, DESCRIPTIONS, LABELS, Telemetry

log = logging.getLogger("muster.telemetry")

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
SPANS_QUEUED_MAX = 65_536  # a batch ends thousands of runs a minute, each of some forty spans; the SDK's own is 2,048
SPANS_SENT_AT_ONCE = 2_048


def exported(batch_id: str, *, log_content: bool, environ: Mapping[str, str] = os.environ) -> Telemetry:
    """A batch's telemetry, exported as the environment says; without such variables it only logs."""
    tracer = tracer_provider() if wanted("TRACES", environ) else None
    meters = (OtelMeter(meter_provider(_metric_reader())),) if wanted("METRICS", environ) else ()
    return Telemetry(batch_id, tracer_provider=tracer, meters=meters, log_content=log_content)


def wanted(signal: str, environ: Mapping[str, str]) -> bool:
    """Whether TRACES or METRICS are to be exported. An exporter other than otlp is not known here, and said so."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    named = environ.get(f"OTEL_{signal}_EXPORTER", "").strip().lower()
    if named and named not in ("otlp", "none"):
        log.warning("OTEL_%s_EXPORTER=%s is not known here: say otlp or none", signal, named)
    if named:
        return named == "otlp"
    return bool(environ.get(ENDPOINT) or environ.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"))


def tracer_provider() -> TracerProvider:
    """Spans to the OTLP endpoint of the environment."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    provider = TracerProvider(resource=_resource())
    provider.add_span_processor(
        BatchSpanProcessor(
            OTLPSpanExporter(), max_queue_size=SPANS_QUEUED_MAX, max_export_batch_size=SPANS_SENT_AT_ONCE
        )
    )
    return provider


def meter_provider(reader: MetricReader) -> MeterProvider:
    """Metrics to `reader`, histograms with the buckets that fit what they count."""
    views = [
        View(instrument_name=name, aggregation=ExplicitBucketHistogramAggregation(buckets))
        for name, buckets in BUCKETS.items()
    ]
    return MeterProvider(metric_readers=[reader], resource=_resource(), views=views)


@dataclass(slots=True)
class OtelMeter:
    """The batch's metrics as OpenTelemetry instruments."""

    provider: MeterProvider
    _instruments: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        meter = self.provider.get_meter("muster")
        self._instruments = {
            name: meter.create_histogram(name, description=DESCRIPTIONS[name])
            if name in BUCKETS
            else meter.create_counter(name, description=DESCRIPTIONS[name])
            for name in LABELS
        }

    def count(self, name: str, value: float, labels: Mapping[str, str]) -> None:
        self._instruments[name].add(value, labels)

    def observe(self, name: str, value: float, labels: Mapping[str, str]) -> None:
        self._instruments[name].record(value, labels)

    def close(self) -> None:
        self.provider.shutdown()


def _metric_reader() -> MetricReader:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

    return PeriodicExportingMetricReader(OTLPMetricExporter())


def _resource() -> Resource:
    """What the environment says of this process, under a name of its own unless that says another."""
    named = os.environ.get("OTEL_SERVICE_NAME") or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    return Resource.create({} if named else {"service.name": "muster"})
