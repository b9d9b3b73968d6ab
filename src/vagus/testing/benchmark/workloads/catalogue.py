"""All workloads by their names, and those that are left out, with the reason."""

from __future__ import annotations

from collections.abc import Mapping

from vagus.testing.benchmark.workloads import throughput
from vagus.testing.benchmark.workloads.workload import Workload

WORKLOADS: Mapping[str, Workload] = {found.id: found for found in (throughput.WORKLOAD,)}

LEFT_OUT: Mapping[str, str] = {
    "W5": "streams to SSE readers: it needs the hub, which is not there yet",
    "W9": "the cost of a pick: groups know no pick yet but the backend's own (whoever has credit)",
}
