"""A service's signals under the names that its kind of software gives them, as one OpenMetrics text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from jobs.sample.estate import Service, Stack
from jobs.sample.openmetrics import Family, Series, exposition
from jobs.sample.signals import STEP_S, Counts, Floats, Signals, signals_of

SPREAD = 3.5  # shape of the log-logistic latencies: the 95th percentile is 2.3 times, the 99th 3.7 times the median
MEAN_PER_MEDIAN = np.pi / SPREAD / np.sin(np.pi / SPREAD)
REQUEST_BUCKETS_S = (0.025, 0.1, 0.25, 0.5, 1.0, 2.5)
JOB_BUCKETS_S = (1.0, 5.0, 15.0, 60.0, 300.0)
JOB_PER_REQUEST = 60.0  # a job takes as much longer than a request


def metrics_file_of(service: Service) -> str:
    """The file's path relative to the manifest."""
    return f"metrics/{service.name}.om{service.packing.value}"


def metrics_text(service: Service, seed: int) -> str:
    """All series of `service`: the same labels, the same moments, one `# EOF` at the end."""
    return _Exporter(service, signals_of(service, seed)).text()


class _Exporter:
    """Turns one service's signals into the families of its stack. Missing samples are missing in all but `up`."""

    def __init__(self, service: Service, signals: Signals) -> None:
        self._service = service
        self._signals = signals
        self._kept = signals.scraped
        self._labels = (("system", service.system), ("service", service.name))

    def text(self) -> str:
        families: dict[Stack, Callable[[], Iterator[Family]]] = {
            Stack.WEB: self._web,
            Stack.RPC: self._rpc,
            Stack.JVM: self._jvm,
            Stack.WORKER: self._worker,
            Stack.EDGE: self._edge,
        }
        times = [str(time) for time in self._signals.times_s[self._kept].tolist()]
        return exposition(families[self._service.stack](), times, self._labels)

    def _web(self) -> Iterator[Family]:
        yield self._by_result("http_requests", "HTTP requests by status code.", "code", ("200", "404", "500"))
        yield self._histogram("http_request_duration_seconds", "Time to answer an HTTP request.", REQUEST_BUCKETS_S)
        yield self._gauge("container_memory_utilization_ratio", "Memory used of the limit.", self._signals.saturation)
        yield self._gauge("container_cpu_utilization_ratio", "CPU used of the limit.", self._signals.cpu)

    def _rpc(self) -> Iterator[Family]:
        codes = ("OK", "NotFound", "Internal")
        yield self._by_result("grpc_server_handled", "RPCs completed on the server by code.", "grpc_code", codes)
        yield self._histogram("grpc_server_handling_seconds", "Response latency of RPCs.", REQUEST_BUCKETS_S)
        in_use, size = np.round(self._signals.saturation * 200), np.full(len(self._kept), 200.0)
        yield self._gauge("db_pool_connections_in_use", "Connections to the database in use.", in_use)
        yield self._gauge("db_pool_connections_max", "Connections that the pool may open.", size)
        yield self._gauge("process_cpu_utilization_percent", "CPU used by the process.", self._signals.cpu * 100)

    def _jvm(self) -> Iterator[Family]:
        outcomes = ("SUCCESS", "CLIENT_ERROR", "SERVER_ERROR")
        yield self._by_result("http_server_requests", "Requests by outcome.", "outcome", outcomes)
        yield self._summary("http_server_requests_seconds", "Duration of requests.")
        yield self._gauge("jvm_memory_used_ratio", "Heap used of the maximum.", self._signals.saturation)
        yield self._gauge("process_cpu_usage", "CPU used by the process, 0 to 1.", self._signals.cpu)

    def _worker(self) -> Iterator[Family]:
        yield self._by_result("jobs_processed", "Jobs finished by result.", "result", ("success", "skipped", "failure"))
        yield self._histogram("job_duration_seconds", "Time that a job took.", JOB_BUCKETS_S, scale=JOB_PER_REQUEST)
        yield self._gauge("disk_used_percent", "Disk space used of the volume.", self._signals.saturation * 100)
        waiting = np.round(self._signals.requests / STEP_S * 5 + self._signals.cpu * 10)
        yield self._gauge("queue_depth", "Jobs that wait.", waiting)

    def _edge(self) -> Iterator[Family]:
        signals = self._signals
        success = 1 - signals.errors / np.maximum(signals.requests, 1)
        p95_ms = signals.median_s * 19 ** (1 / SPREAD) * 1_000
        yield self._gauge("edge_requests_per_second", "Requests received per second.", signals.requests / STEP_S)
        yield self._gauge("edge_success_percent", "Requests that were answered without a server error.", success * 100)
        yield self._gauge("edge_latency_p95_milliseconds", "95th percentile of the response time.", p95_ms)
        yield self._gauge("edge_connections_used_percent", "Connections open of the limit.", signals.saturation * 100)
        yield self._gauge("probe_success", "Whether the probe succeeded.", (success > 0.75).astype(np.float64))
        yield self._gauge("probe_duration_seconds", "How long the probe took.", signals.median_s * 1.2)

    def _gauge(self, name: str, text: str, values: Floats) -> Family:
        return Family(name, "gauge", text, (Series("", (), self._floats(values)),))

    def _by_result(self, name: str, text: str, label: str, values: Sequence[str]) -> Family:
        """A counter by result: good, turned away, failed."""
        signals = self._signals
        rejected = np.minimum(signals.rejected, signals.requests - signals.errors)
        counts = (signals.requests - rejected - signals.errors, rejected, signals.errors)
        series = (
            Series("_total", ((label, value),), self._counter(count))
            for value, count in zip(values, counts, strict=True)
        )
        return Family(name, "counter", text, tuple(series))

    def _histogram(self, name: str, text: str, bounds_s: Sequence[float], *, scale: float = 1.0) -> Family:
        signals = self._signals
        median_s = signals.median_s * scale
        below = [
            np.rint(signals.requests / (1 + (median_s / bound_s) ** SPREAD)).astype(np.int64) for bound_s in bounds_s
        ]
        buckets = zip((*map(str, bounds_s), "+Inf"), (*below, signals.requests), strict=True)
        series = [Series("_bucket", (("le", bound),), self._counter(count)) for bound, count in buckets]
        return Family(name, "histogram", text, (*series, *self._count_and_sum(median_s)))

    def _summary(self, name: str, text: str) -> Family:
        median_s = self._signals.median_s
        shares = (0.5, 0.95, 0.99)
        quantiles = [median_s * (share / (1 - share)) ** (1 / SPREAD) for share in shares]
        series = [
            Series("", (("quantile", str(share)),), self._floats(quantile))
            for share, quantile in zip(shares, quantiles, strict=True)
        ]
        return Family(name, "summary", text, (*series, *self._count_and_sum(median_s)))

    def _count_and_sum(self, median_s: Floats) -> tuple[Series, Series]:
        total_s = self._since_restart(self._signals.requests * median_s * MEAN_PER_MEDIAN)
        sums = [f"{value:.1f}" for value in total_s[self._kept].tolist()]
        return Series("_count", (), self._counter(self._signals.requests)), Series("_sum", (), sums)

    def _counter(self, counts: Counts) -> list[str]:
        return [str(value) for value in self._since_restart(counts)[self._kept].tolist()]

    def _since_restart(self, steps: Counts | Floats) -> Counts | Floats:
        """Running totals that begin anew at every restart."""
        totals = np.cumsum(steps)
        offsets = np.zeros_like(totals)
        for index in self._signals.restarts:
            offsets[index:] = totals[index - 1]
        return np.asarray(totals - offsets)

    def _floats(self, values: Floats) -> list[str]:
        return [f"{value:.4g}" for value in values[self._kept].tolist()]
