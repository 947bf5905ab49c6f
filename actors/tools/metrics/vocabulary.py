"""The words of metric names and labels, as exporters and client libraries write them. No system's own names."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Facts and moments, not measurements.
NO_MEASURE = _words(
    """
    age build config created expiry info labels scheduled start timestamp uptime version
    """
)

# What is allowed or left, not what is used.
LIMITS = _words(
    """
    allocatable avail capacity desired free idle limit limits max min quota remaining requested target
    """
)

# What of them is a ceiling to what is used, and how use is said.
CEILINGS = _words("allocatable capacity limit limits max quota")
USES = _words("active busy current in open opened size usage use used working")

# 0 or 1: whether it works at all.
AVAILABLE = _words("alive availability available health healthy online reachable ready up")

# Calls that went wrong.
ERRORS = _words(
    """
    5xx aborted crash crashes denied discarded dropped drops err error errors exception exceptions fail failed
    fails failure failures oom panic panics rejected rejections restart restarts retries timeout timeouts
    unsuccessful
    """
)

# Calls that went well: errors are the rest.
SUCCESS = _words("ok succeeded success successes successful")

# How long something took.
LATENCY = _words(
    """
    delay duration durations elapsed latencies latency response roundtrip rtt time wait
    """
)

# What a service can run out of.
RESOURCES = _words(
    """
    active backlog buffer clients connections conns cpu disk fd fds filesystem flight fs gc goroutines heap
    inflight lag load mem memory occupancy pending pids pool pressure queue queued rss saturation sessions swap
    threads throttled throttling usage utilisation utilization volume waiting
    """
)

# How much is asked of it.
TRAFFIC = _words(
    """
    bytes call calls commits consumed events handled hits io jobs logins message messages network operations ops
    orders packets processed produced qps queries query reads receive received records req reqs request requests
    responses rpc rpcs rps sent syscall syscalls throughput tps traffic transactions transmit visits workload
    writes
    """
)

# Its own calls to others.
OUTBOUND = _words(
    """
    client dependencies dependency downstream egress external outbound outgoing upstream
    """
)

# The machine under it.
HOSTS = _words("host hypervisor machine node vm")

# Of 100.
SHARES = _words("pct percent percentage")

# Of 1.
RATIOS = _words("fraction ratio share")

# Labels that name the two ends of a call, most telling first.
CALLER_LABELS = tuple(
    """
    caller source src source_workload source_service client from consumer source_app
    """.split()  # noqa: SIM905
)

CALLED_LABELS = tuple(
    """
    destination dst callee upstream target_service destination_workload destination_service server to peer
    peer_service dependency destination_app remote
    """.split()  # noqa: SIM905
)

# Labels that say how a call ended, and the values that mean badly (besides 5xx).
STATUS_LABELS = tuple(
    """
    code status status_code http_status response_code http_response_status_code http_status_code grpc_code
    grpc_status outcome result state
    """.split()  # noqa: SIM905
)
BAD_STATUSES = _words(
    """
    crashed data_loss dataloss deadline_exceeded deadlineexceeded error errors exception fail failed failure
    internal rejected resource_exhausted resourceexhausted server_error timeout unavailable unknown
    """
)

# What times are counted in, as a share of a second.
SECONDS = {
    **dict.fromkeys(_words("seconds second sec secs s"), 1.0),
    **dict.fromkeys(_words("milliseconds millis ms"), 1e-3),
    **dict.fromkeys(_words("microseconds micros us"), 1e-6),
    **dict.fromkeys(_words("nanoseconds nanos ns"), 1e-9),
}
