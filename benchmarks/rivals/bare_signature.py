"""The signature of a SavedModel called in a loop: what no server can exceed.

Arguments: the folder of the SavedModel, threads of TensorFlow for an operation, a file with bodies, one a line. For
each line of standard input, a number of seconds, it prints the instances that it has computed in a second.
"""

from __future__ import annotations

import json
import sys
import time
from itertools import cycle
from pathlib import Path

from loaded_signature import LoadedSignature

model = LoadedSignature(sys.argv[1], int(sys.argv[2]))
bodies = [json.loads(line)["instances"] for line in Path(sys.argv[3]).read_text(encoding="utf-8").splitlines()]
batches = [(len(rows), model.stacked(rows)) for rows in bodies]
for _, batch in batches:
    model.scores(batch)
print("ready", flush=True)
for line in sys.stdin:
    seconds, computed = float(line), 0
    began = time.perf_counter()
    for size, batch in cycle(batches):
        model.scores(batch)
        computed += size
        if time.perf_counter() - began >= seconds:
            break
    print(computed / (time.perf_counter() - began), flush=True)
