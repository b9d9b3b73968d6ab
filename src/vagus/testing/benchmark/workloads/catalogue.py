"""All workloads by their names, and those that are left out, with the reason."""

from __future__ import annotations

from collections.abc import Mapping

from vagus.testing.benchmark.workloads import backlog, failing, fanout, idle, latency, order, pick, startup, throughput
from vagus.testing.benchmark.workloads.workload import Workload

WORKLOADS: Mapping[str, Workload] = {
    module.WORKLOAD.id: module.WORKLOAD
    for module in (throughput, latency, fanout, order, backlog, idle, failing, pick, startup)
}

LEFT_OUT: Mapping[str, str] = {
    "W5": "streams to SSE readers: it needs the hub, which is not there yet",
}
