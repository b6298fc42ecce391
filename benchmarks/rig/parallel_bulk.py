"""`python -m benchmarks.rig.parallel_bulk FILE`: index ready-made documents by the client's own `parallel_bulk`.

The address and the user are read from ELASTICSEARCH_URL, PIPELINE_USERNAME and PIPELINE_PASSWORD; it prints the seconds
of the indexing, without reading the file.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import orjson
from elasticsearch import Elasticsearch
from elasticsearch.helpers import parallel_bulk

THREADS = 2
CHUNK = 1000


def main(path: str) -> None:
    """Index the documents of a file."""
    actions = [_action(orjson.loads(line)) for line in Path(path).read_bytes().splitlines()]
    user = os.environ["PIPELINE_USERNAME"], os.environ["PIPELINE_PASSWORD"]
    with Elasticsearch(os.environ["ELASTICSEARCH_URL"], basic_auth=user, request_timeout=60) as client:
        started = time.monotonic()
        for _ in parallel_bulk(client, actions, thread_count=THREADS, chunk_size=CHUNK):
            pass
        print(time.monotonic() - started)


def _action(document: dict[str, Any]) -> dict[str, Any]:
    day = document["@timestamp"][:10].replace("-", ".")
    target = {"_op_type": "create", "_index": f"model-predictions-{day}", "_id": document["event"]["id"]}
    return {**target, "_source": document}


if __name__ == "__main__":
    main(sys.argv[1])
