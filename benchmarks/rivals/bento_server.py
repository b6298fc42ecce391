"""BentoML over the same SavedModel, batching on.

Arguments: the folder of the SavedModel, worker processes, instances a batch, milliseconds that an instance may wait,
threads of TensorFlow for an operation, the address file. The process becomes `bentoml serve`; the service reads the
arguments from the environment.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from address import free_port, publish

port = free_port()
publish(port)
environ = {**os.environ, "BENCH_BENTO": json.dumps(sys.argv[1:6]), "BENTOML_DO_NOT_TRACK": "true"}
command = ["serve", "bento_service:Click", "--host", "127.0.0.1", "--port", str(port)]
os.chdir(Path(__file__).parent)
os.execve(sys.executable, [sys.executable, "-m", "bentoml", *command], environ)
