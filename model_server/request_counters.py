"""Counters of the server's own work, as Prometheus text (https://prometheus.io/docs/instrumenting/exposition_formats/)."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper ends of the response time's buckets, seconds."""


class RequestCounters:
    """Requests by path and status, and their response times; safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: dict[tuple[str, int], int] = defaultdict(int)
        self._buckets: dict[str, list[int]] = defaultdict(lambda: [0] * (len(BUCKETS) + 1))
        self._seconds: dict[str, float] = defaultdict(float)

    def count(self, path: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        place = next((index for index, end in enumerate(BUCKETS) if seconds <= end), len(BUCKETS))
        with self._lock:
            self._requests[path, status] += 1
            self._buckets[path][place] += 1
            self._seconds[path] += seconds

    def text(self, gauges: Mapping[str, tuple[str, str, float]]) -> str:
        """Return all counters as text.

        Parameters
        ----------
        gauges : further numbers: name -> type (`gauge` or `counter`), meaning, value.
        """
        with self._lock:
            lines = [
                "# HELP model_server_requests_total requests answered",
                "# TYPE model_server_requests_total counter",
            ]
            for (path, status), number in sorted(self._requests.items()):
                lines.append(f'model_server_requests_total{{path="{path}",status="{status}"}} {number}')
            name = "model_server_response_time_seconds"
            lines += [f"# HELP {name} from a request's first byte to its answer", f"# TYPE {name} histogram"]
            for path, buckets in sorted(self._buckets.items()):
                total = 0
                for end, number in zip([*map(str, BUCKETS), "+Inf"], buckets, strict=True):
                    total += number
                    lines.append(f'{name}_bucket{{path="{path}",le="{end}"}} {total}')
                lines.append(f'{name}_sum{{path="{path}"}} {self._seconds[path]:.9g}')
                lines.append(f'{name}_count{{path="{path}"}} {total}')
        for name, (kind, meaning, value) in gauges.items():
            lines += [f"# HELP {name} {meaning}", f"# TYPE {name} {kind}", f"{name} {value:g}"]
        return "\n".join(lines) + "\n"
