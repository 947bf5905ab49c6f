"""What a metric is about, by its name, type, help and labels."""

from __future__ import annotations

import pytest

from actors.tools.metrics.series import Family
from actors.tools.metrics.signals import Scope, Signal, base_name, meaning, other_party, own_names

T, E, L, S, A, O = (  # noqa: E741
    Signal.TRAFFIC,
    Signal.ERRORS,
    Signal.LATENCY,
    Signal.SATURATION,
    Signal.AVAILABILITY,
    Signal.OTHER,
)


@pytest.mark.parametrize(
    ("name", "kind", "signal"),
    [
        ("http_requests", "counter", T),
        ("grpc_server_handled", "counter", T),
        ("edge_requests_per_second", "gauge", T),
        ("pod_network_receive_bytes", "gauge", T),
        ("request_errors", "counter", E),
        ("kube_pod_container_status_restarts", "counter", E),
        ("success_rate", "gauge", E),
        ("availability_ratio", "gauge", E),
        ("http_request_duration_seconds", "histogram", L),
        ("grpc_server_handling_seconds", "histogram", L),
        ("istio_request_duration_milliseconds", "histogram", L),
        ("edge_latency_p95_milliseconds", "gauge", L),
        ("probe_duration_seconds", "gauge", L),
        ("process_cpu_seconds", "counter", S),
        ("container_memory_working_set_bytes", "gauge", S),
        ("db_pool_connections_in_use", "gauge", S),
        ("queue_depth", "gauge", S),
        ("disk_used_percent", "gauge", S),
        ("http_requests_in_flight", "gauge", S),
        ("rabbitmq_queue_messages_ready", "gauge", S),
        ("up", "gauge", A),
        ("probe_success", "gauge", A),
        ("mysql_up", "gauge", A),
        ("process_max_fds", "gauge", O),
        ("process_start_time_seconds", "gauge", O),
        ("node_filesystem_avail_bytes", "gauge", O),
        ("go_goroutines", "gauge", O),
        ("build_info", "gauge", O),
        ("scrape_duration_seconds", "gauge", O),
    ],
)
def test_a_name_and_a_type_tell_the_signal(name: str, kind: str, signal: Signal):
    """The names that exporters and client libraries give."""
    assert meaning(name, Family(kind), {}).signal is signal


def test_a_help_text_tells_where_the_name_does_not():
    """The last resort for a name of somebody's own."""
    assert meaning("frobnications", Family("histogram", "Latency of frobnication."), {}).signal is Signal.LATENCY
    assert meaning("foo_level", Family("gauge", "CPU used by foo, 0 to 1."), {}).unit == "share"


@pytest.mark.parametrize(
    ("name", "unit", "factor"),
    [
        ("cpu_usage_percent", "share", 0.01),
        ("heap_used_ratio", "share", 1.0),
        ("latency_ms", "seconds", 1e-3),
        ("latency_seconds", "seconds", 1.0),
        ("requests_per_second", "", 1.0),
    ],
)
def test_values_come_to_seconds_and_shares(name: str, unit: str, factor: float):
    """So that one set of thresholds fits all."""
    found = meaning(name, Family("gauge"), {})

    assert (found.unit, found.factor) == (unit, factor)


@pytest.mark.parametrize(
    ("name", "labels", "scope"),
    [
        ("server_latency_seconds", {"service": "cart"}, Scope.OWN),
        ("client_latency_seconds", {"service": "cart"}, Scope.OUTBOUND),
        ("edge_latency_seconds", {"service": "cart", "caller": "web"}, Scope.CALLER),
        ("edge_latency_seconds", {"service": "cart", "caller": "cart"}, Scope.OUTBOUND),
        ("calls_seconds", {"service": "cart", "destination": "bank"}, Scope.OUTBOUND),
        ("calls_seconds", {"source": "web", "destination": "cart"}, Scope.CALLER),
        ("node_cpu_usage_percent", {"service": "cart"}, Scope.HOST),
    ],
)
def test_an_edge_is_about_the_service_at_its_other_end(name: str, labels: dict[str, str], scope: Scope):
    """Client-side latency is about who is called; what a caller measured is about the service, seen from there."""
    assert meaning(name, Family("gauge"), labels, frozenset({"cart"})).scope is scope


def test_a_service_is_called_what_its_selector_and_all_its_series_say():
    """Without a selector, what all series have in common; never the ends of an edge."""
    labels = [{"app": "cart", "pod": "a", "caller": "web"}, {"app": "cart", "pod": "b", "caller": "web"}]

    assert own_names("", labels) == {"cart"}
    assert own_names('{service="basket"}', labels) == {"basket", "cart"}
    assert other_party({"destination": "bank"}, frozenset({"cart"})) == "bank"


def test_a_sample_belongs_to_its_family():
    """By what the source says of families first, then by the endings of the formats."""
    families = {"jobs": Family("counter"), "lag_seconds": Family("histogram"), "row_count": Family("gauge")}

    assert [base_name(n, families) for n in ("jobs_total", "lag_seconds_bucket", "row_count", "x_total")] == [
        "jobs",
        "lag_seconds",
        "row_count",
        "x_total",
    ]
