"""The proxy before the embedded node: `parallel_bulk` through it and past it, in turns.

BENCH_SCALE=0.1 makes it a tenth as large.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.measurement import Measurement, at_least, at_most
from benchmarks.rig.node import EVENTS, Node, running_node
from benchmarks.rig.process import measured
from benchmarks.rig.runner_process import cpu_seconds
from benchmarks.rig.traffic import Traffic

SCALE = float(os.environ.get("BENCH_SCALE", "1"))
DOCUMENTS = int(100_000 * SCALE)
ROUNDS = 7
LARGEST_COST = 0.05


@dataclass(frozen=True)
class Round:
    """One indexing of all documents.

    Attributes
    ----------
    seconds : its time.
    client_cpu, node_cpu, proxy_cpu : processor seconds of the three processes.
    """

    seconds: float
    client_cpu: float
    node_cpu: float
    proxy_cpu: float

    @property
    def cpu(self) -> float:
        """Return the processor seconds of all processes."""
        return self.client_cpu + self.node_cpu + self.proxy_cpu


def run() -> Iterator[Measurement]:
    """Yield the figures; the first round of each way does not count: the node compiles its own code in it."""
    with running_node() as node, tempfile.TemporaryDirectory(prefix="model-monitor-bench-") as folder:
        documents = Path(folder) / "documents.ndjson"
        documents.write_bytes(b"".join(action.source + b"\n" for action in Traffic(DOCUMENTS).actions()))
        ways = {"through": node.server.url, "past": node.server.node_url}
        rounds: dict[str, list[Round]] = {way: [] for way in ways}
        for number in range(ROUNDS + 1):
            for way in sorted(ways, reverse=bool(number % 2)):
                rounds[way].append(_round(node, ways[way], documents))
    through, past = rounds["through"][1:], rounds["past"][1:]
    for way, way_rounds in (("through", through), ("past", past)):
        best = min(done.seconds for done in way_rounds)
        yield Measurement(f"parallel_bulk {way} the proxy", DOCUMENTS / best, "documents/s")
    speed = median(second.seconds / first.seconds for first, second in zip(through, past, strict=True))
    yield at_least("throughput through the proxy, of that past it (median of pairs)", speed, "", 1 - LARGEST_COST)
    share = median(done.proxy_cpu / (done.cpu - done.proxy_cpu) for done in through)
    yield at_most("processor time of the proxy, of that of client and node", share, "", LARGEST_COST)
    cpu = median(first.cpu / second.cpu for first, second in zip(through, past, strict=True))
    yield Measurement("processor time of all processes, of that past it (median of pairs)", cpu, "")


def _round(node: Node, url: str, documents: Path) -> Round:
    node.delete(EVENTS)
    environ = {
        "ELASTICSEARCH_URL": url,
        "PIPELINE_USERNAME": "pipeline_writer",
        "PIPELINE_PASSWORD": node.users["pipeline_writer"],
    }
    before = _cpu(node)
    done = measured([sys.executable, "-m", "benchmarks.rig.parallel_bulk", str(documents)], environ)
    after = _cpu(node)
    client, server, proxy = (last - first for first, last in zip(before, after, strict=True))
    return Round(float(done.output), client, server, proxy)


def _cpu(node: Node) -> tuple[float, float, float]:
    """Return the processor seconds of the ended child processes, the node and the proxy."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = next(iter(node.admin.nodes.stats(metric="process", node_id="_local")["nodes"].values()))["process"]
    proxy = node.server.proxy_pid
    return (
        usage.ru_utime + usage.ru_stime,
        process["cpu"]["total_in_millis"] / 1000,
        cpu_seconds(proxy) if proxy else 0.0,
    )
